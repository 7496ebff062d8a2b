"""How a picture is to look: the options that become ``RenderOptions``."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from asyncrgb.cli.parameters import (
    GroupedOption,
    Name,
    any_path,
    band_list,
    default_of,
    field_option,
    in_order,
    no_data,
    overview,
    shown_range,
)
from asyncrgb.cli.statistics import with_statistics
from asyncrgb.formats import DEFAULT_QUALITY, FORMATS
from asyncrgb.options import DEFAULT_BANDS, PRESETS, RenderOptions, Rounding
from asyncrgb.sensors import COMPOSITES, SENSORS
from asyncrgb.stretches import FixedStretch, PercentileStretch, Scope
from asyncrgb.urls import is_url, unqueried

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncrgb.options import Band
    from asyncrgb.stretches import Stretch

_option = partial(click.option, cls=GroupedOption)
_bands = partial(_option, group="Bands")
_stretch = partial(_option, group="Stretch")
_field = partial(field_option, RenderOptions)
_value = partial(_field, group="Values")
_output = partial(_field, group="Picture")
_default = partial(default_of, RenderOptions)

value_options = in_order(
    _value(
        "--nodata",
        type=no_data,
        metavar="VALUE",
        help="Value that stands for no data: auto, as the file says; none; or a number or nan.",
    ),
    _value("--unscale", is_flag=True, help="Apply the scale and offset that the file declares."),
    _value(
        "--offset",
        type=float,
        metavar="X",
        help="Add X to pixel values first, as -1000 for Sentinel-2 from baseline 04.00 on.",
    ),
)

picture_options = in_order(
    _bands(
        "-b",
        "--bands",
        "band_lists",
        type=band_list,
        multiple=True,
        metavar="R,G,B",
        help="Bands shown as red, green and blue, or one shown in grey: numbers, counted from 1, "
        "or names, of the --sensor or as the file describes its bands.  "
        f"[default: {','.join(map(str, DEFAULT_BANDS))}; what is grey, RGB or has a palette, as "
        "it is]",
    ),
    _bands(
        "--sensor",
        type=Name(SENSORS),
        help="Whose bands are named; each has its own names and the common ones of STAC.",
    ),
    _bands(
        "--composite",
        type=Name(COMPOSITES),
        help="Bands of a well-known composite of the --sensor.",
    ),
    _stretch(
        "--scale",
        "scales",
        nargs=2,
        type=float,
        multiple=True,
        metavar="MIN MAX",
        help="Pixel values that become black and full intensity; give it once, or once for each "
        f"band.  [default: {shown_range(FixedStretch())}; what is shown as it is, in 8 bits, "
        "keeps its values]",
    ),
    _stretch(
        "--percentile",
        nargs=2,
        type=float,
        metavar="LOW HIGH",
        help="Percentiles of the values that become black and full intensity, such as 2 98.",
    ),
    _stretch("--minmax", is_flag=True, help="The same as --percentile 0 100."),
    _stretch(
        "--scope",
        type=Name(get_args(Scope)),
        help="Percentiles of each image, or of all together, which reads them twice.  "
        f"[default: {default_of(PercentileStretch, 'scope')}]",
    ),
    _stretch("--joint", is_flag=True, help="One range for all bands, which keeps their balance."),
    _stretch(
        "--stats",
        type=any_path,
        metavar="FILE",
        help="Percentiles of another dataset, from a file that `asyncrgb stats` wrote.",
    ),
    _stretch(
        "--preset",
        type=Name(PRESETS),
        help="eurosat-rgb: as EuroSAT's own RGB images, gdal_translate -scale 0 2750 1 255.",
    ),
    _field(
        "--gamma",
        group="Stretch",
        type=float,
        metavar="G",
        help="Intensity x becomes x ^ (1/G): more than 1 is brighter.",
    ),
    _stretch(
        "--rounding",
        type=Name(get_args(Rounding)),
        help=f"How intensities become whole numbers.  [default: {_default('rounding')}]",
    ),
    _stretch(
        "--dst-range",
        nargs=2,
        type=int,
        metavar="FIRST LAST",
        help="Values of the picture for black and full intensity.  [default: all there are]",
    ),
    value_options,
    _output("--alpha", is_flag=True, help="Make transparent what has no data, instead of black."),
    _output(
        "--format",
        type=Name(FORMATS),
        default=None,
        help=f"Of the results.  [default: {_default('format')}, or what the name DST ends in]",
    ),
    _output(
        "--bit-depth",
        type=click.Choice(["8", "16"]),
        default=str(_default("bit_depth")),
        help="Bits of a value; 16 for PNG and TIFF.",
    ),
    _output(
        "--max-size",
        type=int,
        metavar="PIXELS",
        unset="as large as the image",
        help="Longest side of the picture: a larger image is made smaller by averaging.",
    ),
    _output(
        "--overview",
        type=overview,
        metavar="WHICH",
        help="Smaller copy in the file to take instead of the image: auto, with --max-size the "
        "smallest that is large enough; none; or its number, 0 for the first.",
    ),
    _output(
        "--quality",
        type=int,
        metavar="1-100",
        help=f"Of JPEG and WebP; 100 makes WebP lossless.  [default: {DEFAULT_QUALITY}]",
    ),
    _output(
        "--compress-level",
        type=int,
        metavar="0-9",
        help="0 stores, 1 is the fastest that compresses, 9 gives the smallest files.",
    ),
    _output(
        "--worldfile",
        is_flag=True,
        help="Write a world file (.pgw) beside each result whose source has a place; --force makes "
        "again one that was deleted.",
    ),
)

_AS_GIVEN: Final = (
    *("sensor", "gamma", "unscale", "offset", "nodata", "alpha"),
    *("max_size", "overview", "quality", "compress_level", "worldfile"),
)
_RANGES: Final = ("scales", "percentile", "minmax", "preset")


def render_options(given: Mapping[str, Any], source: str, destination: str) -> RenderOptions:
    """Turn what was given on the command line into options.

    Raises:
        click.UsageError: options exclude each other.
        OptionsError: a value cannot be used; the file of --stats holds none.
        OSError: the file of --stats cannot be read.

    """
    _check_exclusive(given)
    fields = {name: given[name] for name in _AS_GIVEN}
    fields |= {name: given[name] for name in ("rounding", "dst_range") if given[name] is not None}
    fields |= PRESETS.get(given["preset"], {})
    options = RenderOptions(
        **{"stretch": _stretch_of(given)} | fields,
        bands=_bands_of(given),
        bit_depth=int(given["bit_depth"]),
        format=given["format"] or _format_of(source, destination),
    )
    return options if given["stats"] is None else with_statistics(options, given["stats"])


def _check_exclusive(given: Mapping[str, Any]) -> None:
    flags = {"scales": "--scale"}
    ranges = [flags.get(name, f"--{name}") for name in _RANGES if given[name]]
    if len(ranges) > 1:
        raise click.UsageError(f"{' and '.join(ranges)}: give only one of them")
    if given["stats"] and given["stats"] == given["report"]:
        raise click.UsageError("--report: it would take the place of the file of --stats")
    if given["stats"] and (given["scales"] or given["preset"] or given["scope"]):
        raise click.UsageError("--stats: it goes with --percentile, --minmax and --joint only")
    percentiles = given["percentile"] or given["minmax"] or given["stats"]
    if (given["scope"] or given["joint"]) and not percentiles:
        raise click.UsageError("--scope and --joint: give --percentile or --minmax with them")
    if given["preset"] and (given["rounding"] or given["dst_range"]):
        raise click.UsageError("--preset: it has its own --rounding and --dst-range")
    if given["preset"] and given["bit_depth"] != str(_default("bit_depth")):
        raise click.UsageError("--preset: it is a recipe for 8 bits")


def _stretch_of(given: Mapping[str, Any]) -> Stretch | None:
    if given["scales"]:
        lows, highs = zip(*given["scales"], strict=True)
        return FixedStretch(lows, highs) if len(lows) > 1 else FixedStretch(lows[0], highs[0])
    if not (given["percentile"] or given["minmax"] or given["stats"]):
        return None
    usual = PercentileStretch()
    low, high = (0, 100) if given["minmax"] else given["percentile"] or (usual.low, usual.high)
    return PercentileStretch(low, high, scope=given["scope"] or usual.scope, joint=given["joint"])


def _bands_of(given: Mapping[str, Any]) -> tuple[Band, ...] | None:
    bands: tuple[Band, ...] = sum(given["band_lists"], ())
    if given["composite"] is None:
        return bands or None
    if given["sensor"] is None or bands:
        raise click.UsageError("--composite: give a --sensor with it, and no --bands")
    return SENSORS[given["sensor"]].composite_names(given["composite"])


def _format_of(source: str, destination: str) -> str:
    """Take the format from the name of a single result, where one is named."""
    if _is_file(source) and not os.path.isdir(destination):
        suffix = os.path.splitext(destination)[1].lower()
        aliases = {".jpeg": ".jpg", ".tiff": ".tif"}
        for each in FORMATS.values():
            if each.suffix == aliases.get(suffix, suffix):
                return each.name
    return str(_default("format"))


def _is_file(source: str) -> bool:
    """Tell whether a single file is meant: of a URL its name tells, for nothing is asked yet."""
    if is_url(source):
        return unqueried(source).lower().endswith((".tif", ".tiff"))
    return os.path.isfile(source)

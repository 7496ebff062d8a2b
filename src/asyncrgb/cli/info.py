"""``asyncrgb info``: what a file is, and how to make a picture of it."""

from __future__ import annotations

import json
import logging
import math
import os
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.cli.limits import size_options
from asyncrgb.cli.parameters import any_path
from asyncrgb.cli.suggestion import suggest
from asyncrgb.cli.terminal import tell
from asyncrgb.cli.words import explain, shown
from asyncrgb.errors import AsyncRgbError
from asyncrgb.limits import Limits
from asyncrgb.stretches import FixedStretch
from asyncrgb.urls import is_url, redacted, unqueried

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from asyncrgb import BandDescription, Description

_LONGEST: Final = 24  # characters of a band's description in the table
_MANY: Final = 4  # things, more of which are only counted
_PICTURE_BITS: Final = 8  # what is a picture already keeps its values up to here
_REASONS: Final = {
    "order": "by the descriptions of the bands",
    "names": "by the descriptions of the bands, not all of its or in another order",
    "count": "by the number of bands",
}


@click.command()
@click.argument("file", metavar="FILE", type=any_path)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@size_options
def info(file: str, *, as_json: bool, **limits: int) -> int:
    """Print what FILE is, and a command that makes a picture of it.

    Shown are its size, how it is stored, where it lies, what its bands are called, the values
    in each of them, and what asyncrgb makes of it.
    """
    from asyncrgb import describe  # noqa: PLC0415 - numpy, which --help does not need

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters raises
    data = _content(file)
    try:
        found = describe(data, limits=Limits(**limits))
    except AsyncRgbError as error:
        tell(f"asyncrgb: {shown(file)}: {explain(error)}", err=True)
        return 1
    tell(_json(file, found) if as_json else "\n".join(_lines(file, found)))
    return 0


def _content(file: str) -> bytes:
    if is_url(file):
        from asyncrgb import fetch  # noqa: PLC0415 - for these only

        return fetch(file)
    with open(file, "rb") as opened:
        return opened.read()


# For machines.


def _json(file: str, found: Description) -> str:
    suggestion = suggest(found)
    command = _command(file, suggestion.options)
    fields = {
        "file": redacted(file),
        **asdict(found),
        "command": command,
        "remarks": suggestion.remarks,
    }
    return json.dumps(_plain(fields), indent=2, allow_nan=False)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Name the numbers that JSON does not have: "nan", "inf" and "-inf"."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _command(file: str, options: Sequence[str]) -> list[str]:
    """Give the arguments of the command that is suggested."""
    source = os.path.join(".", file) if file.startswith("-") else redacted(file)
    name = os.path.splitext(os.path.basename(unqueried(file)))[0].lstrip("-") or "picture"
    result = f"{name}.png"
    if os.path.basename(file) == result:
        result = f"{name}-rgb.png"
    return ["asyncrgb", source, result, *options]


# For people.


def _lines(file: str, found: Description) -> Iterator[str]:
    suggestion = suggest(found)
    yield shown(file)
    facts = [(name, text) for name, text in _facts(found) if text]
    width = max(len(name) for name, _ in facts)
    yield from (f"  {name:<{width}}  {shown(text)}" for name, text in facts)
    yield ""
    yield from _table(found.bands)
    yield ""
    yield from (f"Note: {remark}." for remark in suggestion.remarks)
    yield f"Try: {shown(shlex.join(_command(file, suggestion.options)))}"


def _facts(found: Description) -> list[tuple[str, str]]:
    """Name what is known of the file; what is empty is not worth a line."""
    return [
        ("size", _size(found)),
        ("stored", _stored(found)),
        ("pages", _pages(found)),
        ("colours", _colours(found)),
        ("no data", "none declared" if found.nodata is None else f"{found.nodata:g}"),
        ("alpha", f"band {found.alpha}" if found.alpha else ""),
        ("place", _place(found)),
        ("sensor", _sensors(found)),
        ("default", _default(found)),
    ]


def _size(found: Description) -> str:
    bands = _counted(len(found.bands), "band")
    odd = "" if found.dtype.endswith(str(found.bits)) else f" ({_counted(found.bits, 'bit')})"
    return (
        f"{found.height} x {found.width} pixels (height x width), {bands} of {found.dtype}{odd}, "
        f"{_counted(found.file_bytes, 'byte')}"
    )


def _stored(found: Description) -> str:
    storage = found.storage
    size = f"{storage.rows} x {storage.columns}" if storage.tiled else _counted(storage.rows, "row")
    parts = [
        f"{'Big' if storage.bigtiff else ''}TIFF",
        f"{storage.byte_order}-endian",
        f"{_counted(storage.segments, 'tile' if storage.tiled else 'strip')} of {size}",
        ("planar" if storage.planar else "chunky") if len(found.bands) > 1 else "",
        "uncompressed" if storage.compression == "none" else storage.compression,
        f"{storage.predictor} predictor" if storage.predictor else "",
    ]
    return ", ".join(filter(None, parts))


def _colours(found: Description) -> str:
    if found.palette:
        return f"palette of {_counted(found.palette, 'colour')}"
    return "" if found.storage.photometric == "minisblack" else found.storage.photometric


def _pages(found: Description) -> str:
    storage = found.storage
    parts = [f"{storage.pages}, which are the bands"] if storage.pages > 1 else []
    if storage.overviews:
        sizes = [f"{height} x {width}" for height, width in storage.overviews[:_MANY]]
        more = ["..."] if len(storage.overviews) > _MANY else []
        count = _counted(len(storage.overviews), "overview")
        parts.append(f"{count} ({', '.join(sizes + more)})")
    if storage.masks:
        parts.append(_counted(storage.masks, "mask"))
    return "; ".join(parts)


def _place(found: Description) -> str:
    place = found.place
    if place is None:
        return ""
    parts = [place.crs or "no EPSG code"]
    if place.pixel_size is not None and place.origin is not None:
        parts.append("pixels of {:.8g} x {:.8g}".format(*place.pixel_size))
        parts.append("upper left at {:.10g}, {:.10g}".format(*place.origin))
    return ", ".join(parts)


def _sensors(found: Description) -> str:
    """Say whose image it may be; what has one or three bands could be of any."""
    if not found.sensors or (found.sensors[0].reason == "names" and _is_picture(found)):
        return ""
    names = " or ".join(guess.name for guess in found.sensors)
    return f"perhaps {names}, {_REASONS[found.sensors[0].reason]}"


def _is_picture(found: Description) -> bool:
    return found.shown is not None and found.shown.as_is


def _default(found: Description) -> str:
    """Say what is shown where nothing is asked for."""
    shown = found.shown
    if shown is None:
        return "none: the bands to show have to be named"
    if found.palette:
        return "the colours of the palette"
    colours = "red, green and blue" if len(shown.bands) > 1 else "grey"
    guess = " (a guess)" if shown.guessed else ""
    bands = ("bands " if len(shown.bands) > 1 else "band ") + ",".join(map(str, shown.bands))
    if found.bits <= _PICTURE_BITS and found.dtype in ("uint8", "bool"):
        return f"{bands} as {colours}{guess}, values as they are"
    return "{} as {}{}, from {:g} (black) to {:g}".format(
        bands, colours, guess, *FixedStretch().ranges[0]
    )


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


# The table of bands.


def _table(bands: Sequence[BandDescription]) -> Iterator[str]:
    """Align a column for each property that any of the bands has."""
    rows = [_row(band) for band in bands]
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in [dict(zip(names, names, strict=True)), *rows]:
        cells = [
            f"{row[name]:<{widths[name]}}" if name == "name" else f"{row[name]:>{widths[name]}}"
            for name in names
        ]
        yield f"  {'  '.join(cells)}".rstrip()


def _row(band: BandDescription) -> dict[str, str]:
    plain = (band.scale, band.offset) == (1, 0)
    return {
        "band": str(band.number),
        "name": _shortened(shown(band.description or "")),
        "scale": "" if plain else f"{band.scale:g}",
        "offset": "" if plain else f"{band.offset:g}",
        "no data": _share(band.blank),
        "min": _number(band.minimum),
        "2%": _number(band.p2),
        "50%": _number(band.p50),
        "98%": _number(band.p98),
        "max": _number(band.maximum),
        "mean": _number(band.mean),
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _share(share: float) -> str:
    """Give per cent: what is not all or nothing does not look like it."""
    if share in (0, 1):
        return f"{share:.0%}"
    return f"{min(max(share, 0.001), 0.999):.1%}"

"""``asyncrgb sample``: data to try things out with."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from asyncrgb.cli.parameters import GroupedCommand, GroupedOption, Name, local_path
from asyncrgb.cli.terminal import tell
from asyncrgb.cli.words import shown

if TYPE_CHECKING:
    from collections.abc import Callable

_CHIPS: Final = "Chips"
_SCENE: Final = "A scene instead"
_EITHER: Final = "Either"
_COUNT: Final = 2000
_TIFFS: Final = (".tif", ".tiff")


def _size(text: str) -> tuple[int, int]:
    """Turn "10980x5490" into width and height."""
    parsed = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text, re.IGNORECASE | re.ASCII)
    if parsed is None:
        raise click.BadParameter(f"{text!r}: give WIDTHxHEIGHT in pixels, such as 10980x10980")
    return int(parsed[1]), int(parsed[2])


def _option(*names: str, group: str, **words: Any) -> Callable[..., Any]:  # noqa: ANN401 - click's
    return click.option(*names, cls=GroupedOption, group=group, **words)


@click.command(cls=GroupedCommand)
@click.argument("destination", metavar="DST", type=local_path)
@_option("--count", group=_CHIPS, metavar="N", type=int, help=f"How many.  [default: {_COUNT}]")
@_option(
    "--scene",
    group=_SCENE,
    metavar="WIDTHxHEIGHT",
    type=_size,
    help="Write one scene of so many pixels: DST, or DST/scene.tif unless that is a .tif.",
)
@_option("--tiled/--striped", group=_SCENE, default=None, help="Its blocks.  [default: tiled]")
@_option(
    "--planar/--chunky",
    group=_SCENE,
    default=None,
    help="Band by band, or pixel by pixel.  [default: chunky]",
)
@_option(
    "--compress",
    "compression",
    group=_SCENE,
    metavar="NAME",
    type=Name(("none", "deflate", "lzw", "zstd")),
    help="none, deflate, lzw or zstd.  [default: deflate]",
)
@_option("--bands", group=_SCENE, metavar="N", type=int, help="The first N of 13.  [default: 13]")
@_option(
    "--block",
    group=_SCENE,
    metavar="N",
    type=int,
    help="Side of a tile, or rows of a strip.  [default: 256, or 8 KB]",
)
@_option("--overviews", group=_SCENE, is_flag=True, default=None, help="Add overviews.")
@_option(
    "--with-nodata",
    "nodata",
    group=_SCENE,
    is_flag=True,
    default=None,
    help="Leave an edge without data.",
)
@_option(
    "--seed",
    group=_EITHER,
    metavar="S",
    type=int,
    default=0,
    show_default=True,
    help="The same seed gives the same files.",
)
def sample(
    destination: str,
    count: int | None,
    seed: int,
    scene: tuple[int, int] | None,
    **form: Any,  # noqa: ANN401 - as declared above
) -> None:
    """Write EuroSAT-like TIFFs to DST/<Class>/<Class>_<n>.tif, or one scene.

    Ten classes of 64 x 64 pixels in 13 bands, 16 bit, with the structure and the statistics
    of the real ones. A scene shows the same land, at any size, in constant memory.
    """
    given = {name: value for name, value in form.items() if value is not None}
    if scene is not None:
        if count is not None:
            raise click.UsageError("--count: a scene is one file: leave it out")
        _write_scene(destination, scene, seed=seed, **given)
    elif given:
        raise click.UsageError("--scene: the options of a scene go with its size: give that too")
    else:
        _write_chips(destination, _COUNT if count is None else count, seed)


def _write_chips(destination: str, count: int, seed: int) -> None:
    from asyncrgb import write_samples  # noqa: PLC0415 - numpy, which --help does not need

    paths = write_samples(destination, count, seed=seed, replace=False)
    tell(f"{len(paths)} chips written to {shown(destination)}")


def _write_scene(destination: str, size: tuple[int, int], **form: Any) -> None:  # noqa: ANN401 - as of write_scene
    from tqdm import tqdm  # noqa: PLC0415 - the same

    from asyncrgb import write_scene  # noqa: PLC0415 - the same

    if os.path.isdir(destination) or not destination.lower().endswith(_TIFFS):
        destination = os.path.join(destination, "scene.tif")
    with tqdm(unit=" blocks", disable=not sys.stderr.isatty(), dynamic_ncols=True) as bar:

        def show(done: int, every: int) -> None:
            bar.total = every
            bar.update(done - bar.n)

        path = write_scene(destination, *size, replace=False, on_block=show, **form)
    tell(f"scene of {size[0]} x {size[1]} pixels written to {shown(path)}")

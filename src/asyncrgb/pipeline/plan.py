"""Which sources there are, and which output each leads to."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from asyncrgb.errors import CollisionError, OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.pipeline.listing import SOURCE_SUFFIXES, walk
from asyncrgb.pipeline.outcomes import Failed, Job, UpToDate

if TYPE_CHECKING:
    from collections.abc import Iterator

Layout: TypeAlias = Literal["flat", "tree"]
Planned: TypeAlias = Job | UpToDate | Failed

_LONG_SUFFIXES: Final = {".jpg": ".jpeg", ".tif": ".tiff"}
_PICTURES: Final = (
    *(each.suffix for each in FORMATS.values()),
    *_LONG_SUFFIXES.values(),
    ".gif",
    ".bmp",
    ".jp2",
)


def plan(
    source: str, destination: str, layout: Layout, suffix: str = FORMATS["png"].suffix
) -> Iterator[Planned | None]:
    """Pair each TIFF at or below ``source`` with its output, folder by folder, by name.

    Lazy; None comes every few milliseconds while a large folder is listed. A folder that cannot
    be listed and a source whose output is taken come out as ``Failed``. What lies in
    ``destination`` is never a source.

    Args:
        source: a folder or a file.
        destination: the folder of the outputs; for one file it may be the output itself.
        layout: "flat" puts all outputs into one folder, "tree" mirrors the folders of
            ``source``.
        suffix: of the outputs.

    Raises:
        OptionsError: ``layout`` is unknown, there is no TIFF at all, or outputs could take the
            places of sources.
        OSError: ``source`` does not exist or cannot be listed; ``destination`` is a file.

    """
    if layout not in ("flat", "tree"):
        raise OptionsError(f"layout {layout!r}: choose flat or tree")
    os.stat(source)  # raises what is wrong with it
    if names_output(source, destination, suffix):
        _check_apart(source, destination)
        yield Job(source, destination)
        return
    if os.path.exists(destination) and not os.path.isdir(destination):
        raise NotADirectoryError(
            errno.ENOTDIR, "the destination is a file: name a folder for the results", destination
        )
    if suffix in SOURCE_SUFFIXES:
        _check_outside(source, destination)
    yield from _apart(_jobs(source, destination, layout, suffix))


def sources(source: str) -> Iterator[Planned | None]:
    """List the TIFFs at or below ``source`` as jobs without output; else as ``plan`` does."""
    os.stat(source)  # raises what is wrong with it
    for planned in _jobs(source, "", "flat", ""):
        yield Job(planned.source, "") if isinstance(planned, Job) else planned


def names_output(source: str, destination: str, suffix: str) -> bool:
    """Tell whether ``destination`` is the output of one file rather than a folder.

    Raises:
        OptionsError: it is one of a format other than that of ``suffix``.

    """
    if not os.path.isfile(source) or os.path.isdir(destination):
        return False
    ours = (suffix, _LONG_SUFFIXES.get(suffix, suffix))
    if destination.lower().endswith(ours):
        return True
    if destination.lower().endswith(_PICTURES):
        raise OptionsError(
            f"{destination}: results are {suffix} files: name one that ends so, or a folder, or "
            "choose another --format"
        )
    return False


def worldfile_path(picture: str) -> str:
    """Name the world file beside ``picture``: .pgw for .png, as GDAL and ESRI have it."""
    stem, suffix = os.path.splitext(picture)
    return f"{stem}.{suffix[1:2]}{suffix[-1:]}w"


def _check_apart(source: str, destination: str) -> None:
    if os.path.exists(destination) and os.path.samefile(source, destination):
        raise OptionsError(
            f"{destination}: the result would take the place of its source: name another"
        )


def _check_outside(source: str, destination: str) -> None:
    """Refuse a destination in which results, which are TIFFs too, could replace sources."""
    folder = os.path.realpath(source if os.path.isdir(source) else os.path.dirname(source))
    target = os.path.realpath(destination)
    if os.path.commonpath([folder, target]) == target:
        raise OptionsError(
            f"{destination}: results that are TIFFs could take the places of sources there: "
            "name a folder that does not hold them"
        )


def count_sources(source: str | os.PathLike[str], destination: str | os.PathLike[str]) -> int:
    """Count the outcomes that converting ``source`` to ``destination`` will have; blocks.

    Raises:
        OSError: ``source`` does not exist or cannot be listed.

    """
    source, destination = os.fsdecode(source), os.fsdecode(destination)
    if not os.path.isdir(source):
        return 1
    found = (each for each in walk(source, destination) if each is not None)
    return sum(1 if isinstance(each, Failed) else len(each.names) for each in found)


def _apart(jobs: Iterator[Planned | None]) -> Iterator[Planned | None]:
    """Let only the first source have an output that several lead to."""
    taken: dict[str, str] = {}
    for job in jobs:
        if not isinstance(job, Job):
            yield job
            continue
        first = taken.setdefault(job.destination, job.source)
        yield job if first is job.source else _collision(job, first)


def _collision(job: Job, first: str) -> Failed:
    reason = (
        f"{job.source} leads to {job.destination}, as {first} does, which keeps it: "
        "choose the layout tree (--layout tree), or rename one of them"
    )
    return Failed(job.source, CollisionError(reason))


def _jobs(source: str, destination: str, layout: Layout, suffix: str) -> Iterator[Planned | None]:
    if not os.path.isdir(source):
        output = _output_name(os.path.basename(source), suffix)
        yield Job(source, os.path.join(destination, output))
        return
    found = False
    for folder in walk(source, destination):
        if folder is None or isinstance(folder, Failed):
            yield folder
            continue
        target = destination
        if layout == "tree" and folder.path != source:
            target = os.path.join(destination, os.path.relpath(folder.path, source))
        found = found or bool(folder.names)
        source_prefix, target_prefix = os.path.join(folder.path, ""), os.path.join(target, "")
        for name in folder.names:
            yield Job(source_prefix + name, target_prefix + _output_name(name, suffix))
    if not found:
        raise OptionsError(
            f"{source}: no .tif or .tiff file in this folder or below it: check the path"
        )


def _output_name(name: str, suffix: str) -> str:
    return (name.rpartition(".")[0] or name) + suffix

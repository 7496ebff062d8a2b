"""Which sources there are, and which output each leads to."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from asyncrgb.errors import CollisionError, OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.pipeline.outcomes import Failed, Job, StampedJob, UpToDate
from asyncrgb.pipeline.storage.listing import SOURCE_SUFFIXES
from asyncrgb.pipeline.storage.places import Places
from asyncrgb.urls import is_url, redacted, unqueried

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from asyncrgb.pipeline.outcomes import Stamp
    from asyncrgb.pipeline.storage.storage import Storage

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
    source: str,
    destination: str,
    layout: Layout,
    suffix: str = FORMATS["png"].suffix,
    places: Places | None = None,
) -> Iterator[Planned | None]:
    """Pair each TIFF at or below ``source`` with its output, folder by folder, by name.

    Lazy; None comes every few milliseconds while a large folder is listed. A folder that cannot
    be listed and a source whose output is taken come out as ``Failed``. What lies in
    ``destination`` is never a source.

    Args:
        source: a folder or a file, or the URL of objects or of one.
        destination: the folder of the outputs; for one file it may be the output itself.
        layout: "flat" puts all outputs into one folder, "tree" mirrors the folders of
            ``source``.
        suffix: of the outputs.
        places: where both are.

    Raises:
        OptionsError: ``layout`` is unknown, there is no TIFF at all, or outputs could take the
            places of sources.
        OSError: ``source`` does not exist or cannot be listed; ``destination`` is a file.

    """
    if layout not in ("flat", "tree"):
        raise OptionsError(f"layout {layout!r}: choose flat or tree")
    places = places or Places()
    here, there = places.of(source), places.of(destination)
    _check_exists(here, source)
    _check_writable(there, destination)
    if names_output(source, destination, suffix, places):
        if here is there:
            _check_apart(here, source, destination)
        yield Job(source, destination)
        return
    kind = there.kind(destination)
    if kind is None and destination.lower().endswith(_PICTURES):
        raise OptionsError(
            f"{redacted(destination)} is the name of one picture, and {redacted(source)} is no "
            "single file: name a folder for the results"
        )
    if kind not in ("folder", None):
        raise NotADirectoryError(
            errno.ENOTDIR,
            "the destination is a file: name a folder for the results",
            redacted(destination),
        )
    if suffix in SOURCE_SUFFIXES and here is there:
        _check_outside(here, source, destination)
    yield from _apart(_jobs(here, source, destination, layout, suffix))


def sources(source: str, places: Places | None = None) -> Iterator[Planned | None]:
    """List the TIFFs at or below ``source`` as jobs without output; else as ``plan`` does."""
    here = (places or Places()).of(source)
    _check_exists(here, source)
    for planned in _jobs(here, source, "", "flat", ""):
        yield Job(planned.source, "") if isinstance(planned, Job) else planned


def names_output(source: str, destination: str, suffix: str, places: Places | None = None) -> bool:
    """Tell whether ``destination`` is the output of one file rather than a folder.

    Raises:
        OptionsError: it is one of a format other than that of ``suffix``.
        OSError: it cannot be found out what is there.

    """
    places = places or Places()
    if places.of(source).kind(source) != "file":
        return False
    if places.of(destination).kind(destination) == "folder":
        return False
    return check_suffix(destination, suffix)


def check_suffix(name: str, suffix: str) -> bool:
    """Tell whether a name is that of a picture of the format that has ``suffix``.

    Raises:
        OptionsError: it is that of a picture of another format.

    """
    name_in_lower_case = name.lower()
    if name_in_lower_case.endswith((suffix, _LONG_SUFFIXES.get(suffix, suffix))):
        return True
    if name_in_lower_case.endswith(_PICTURES):
        raise OptionsError(
            f"{redacted(name)}: results are {suffix} files: name one that ends so, or choose "
            "another format (--format)"
        )
    return False


def worldfile_path(picture: str) -> str:
    """Name the world file beside ``picture``: .pgw for .png, as GDAL and ESRI have it."""
    stem, suffix = os.path.splitext(picture)
    return f"{stem}.{suffix[1:2]}{suffix[-1:]}w"


def _check_exists(here: Storage, source: str) -> None:
    if here.kind(source) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), redacted(source))


def _check_writable(there: Storage, destination: str) -> None:
    if not there.writable(destination):
        raise OptionsError(
            f"{redacted(destination)}: nothing can be written there: name a folder, or a bucket "
            "(s3://, gs://, az://)"
        )


def _check_apart(here: Storage, source: str, destination: str) -> None:
    if here.same(source, destination):
        raise OptionsError(
            f"{destination}: the result would take the place of its source: name another"
        )


def _check_outside(here: Storage, source: str, destination: str) -> None:
    """Refuse a destination in which results, which are TIFFs too, could replace sources."""
    folder = source if here.kind(source) == "folder" else os.path.dirname(source)
    if here.holds(folder, destination):
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
    here = Places().of(source)
    if here.kind(source) != "folder":
        return 1
    found = (each for each in here.walk(source, destination) if each is not None)
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


def _jobs(
    here: Storage, source: str, destination: str, layout: Layout, suffix: str
) -> Iterator[Planned | None]:
    if here.kind(source) != "folder":
        output = _output_name(os.path.basename(unqueried(source)), suffix)
        yield Job(source, os.path.join(destination, output))
        return
    found = False
    for folder in here.walk(source, destination):
        if folder is None or isinstance(folder, Failed):
            yield folder
            continue
        target = destination
        if layout == "tree" and not _is_top(folder.path, source):
            target = os.path.join(destination, os.path.relpath(folder.path, source))
        found = found or bool(folder.names)
        source_prefix, target_prefix = os.path.join(folder.path, ""), os.path.join(target, "")
        if folder.stamps is not None:
            yield from _stamped(folder.stamps, source_prefix, target_prefix, suffix)
            continue
        for name in folder.names:
            yield Job(source_prefix + name, target_prefix + _output_name(name, suffix))
    if not found:
        raise OptionsError(
            f"{redacted(source)}: no .tif or .tiff file in this folder or below it: check the path"
        )


def _is_top(folder: str, source: str) -> bool:
    return folder == (source.rstrip("/") if is_url(source) else source)


def _stamped(
    stamps: Mapping[str, Stamp], source: str, target: str, suffix: str
) -> Iterator[StampedJob]:
    """Pair sources of which more is known with their outputs."""
    for name, stamp in stamps.items():
        yield StampedJob(source + name, target + _output_name(name, suffix), stamp=stamp)


def _output_name(name: str, suffix: str) -> str:
    return (name.rpartition(".")[0] or name) + suffix

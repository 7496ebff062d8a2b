"""What callers hand in: what is of another kind is refused here, not a riddle further on."""

from __future__ import annotations

import os
from dataclasses import replace

from asyncrgb.checks import check
from asyncrgb.errors import OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.pipeline.folders.plan import Planned, check_suffix
from asyncrgb.pipeline.outcomes import Failed, Job
from asyncrgb.urls import is_url


def check_terms(options: object, limits: object, executor: object) -> None:
    """Refuse what a Converter cannot work with.

    Raises:
        OptionsError: one of them is of another kind.

    """
    check_options(options)
    check(isinstance(limits, Limits), f"limits {limits!r}: give Limits, such as Limits(workers=4)")
    check(
        executor is None or callable(getattr(executor, "submit", None)),
        f"executor {executor!r}: give a concurrent.futures.Executor, such as "
        "ThreadPoolExecutor(4), or leave it out",
    )


def check_options(options: object) -> None:
    """Refuse what are no options; raises OptionsError."""
    check(
        isinstance(options, RenderOptions),
        f"options {options!r}: give RenderOptions, such as RenderOptions(bands=(8, 4, 3))",
    )


def checked(job: object, options: RenderOptions) -> Planned:
    """Look at what is said to be a job.

    Args:
        job: what a caller has handed in.
        options: for jobs that have none of their own.

    Returns:
        The job, its paths as text; ``Failed`` where its picture would take the place of its
        source, or have the name of another format, or where names cannot be those of files.

    Raises:
        OptionsError: it is no job, or has paths or options that are none.

    """
    if not isinstance(job, Job):
        raise OptionsError(f"{job!r} is no Job: give Job(source, destination)")
    if job.options is not None:
        check_options(job.options)
    if type(job.source) is not str or type(job.destination) is not str:
        job = _with_text(job)
    try:
        for name in (job.source, job.destination):
            check(
                "\0" not in name, f"{name!r}: no file has a name with a NUL in it: check the path"
            )
        check(
            not _is_its_source(job),
            f"{job.destination}: the result would take the place of its source: name another",
        )
        check_suffix(job.destination, FORMATS[(job.options or options).format].suffix)
    except OptionsError as error:
        return Failed(job.source, error.with_traceback(None))
    return job


def _is_its_source(job: Job) -> bool:
    """Tell whether source and destination are one name, without a question to the storage."""
    if os.path.basename(job.source) != os.path.basename(job.destination):
        return False
    if is_url(job.source) or is_url(job.destination):
        return job.source == job.destination
    return os.path.abspath(job.source) == os.path.abspath(job.destination)


def _with_text(job: Job) -> Job:
    try:
        return replace(
            job, source=os.fsdecode(job.source), destination=os.fsdecode(job.destination)
        )
    except TypeError:
        raise OptionsError(f"{job!r}: give paths or URLs, as text or os.PathLike") from None

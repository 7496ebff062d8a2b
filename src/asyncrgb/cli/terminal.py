"""What a person at the terminal sees: the bar, the failures, the summary."""

from __future__ import annotations

import errno
import sys
from collections import Counter
from contextlib import suppress
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final

import click

from asyncrgb.errors import AsyncRgbError
from asyncrgb.exposure import advice

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Never, Self

    from tqdm import tqdm

    from asyncrgb import Exposure, Outcome

_REMEDIES: Final = {
    errno.EACCES: "check its permissions, or name another folder",
    errno.EPERM: "check its permissions, or name another folder",
    errno.EROFS: "name a folder that can be written to",
    errno.ENOSPC: "free some space and run the same command again, it goes on from here",
    errno.EDQUOT: "free some space and run the same command again, it goes on from here",
    errno.EMFILE: "give smaller --reads and --writes, or raise the limit with ulimit -n",
    errno.ENOMEM: "give a smaller --memory",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "shorten the name",
    errno.EINVAL: "leave it out",
    errno.EIO: "check the disk, or copy the file again",
}

_KINDS: Final = {
    "Converted": "converted",
    "UpToDate": "up to date",
    "Measured": "measured",
    "Failed": "failed",
}


def explain(error: Exception) -> str:
    """Say what is wrong with what, and what to do about it, in one line."""
    if isinstance(error, OSError) and error.strerror is not None:
        name = shown(str(error.filename)) + ": " if error.filename is not None else ""
        remedy = _REMEDIES.get(error.errno or 0)
        return f"{name}{error.strerror}" + (f": {remedy}" if remedy else "")
    if isinstance(error, AsyncRgbError):
        return shown(str(error))
    return shown(f"{type(error).__name__}: {error}")


def shown(text: str) -> str:
    """Make any text fit for one line of any terminal: file names may hold anything."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in readable)


class Progress:
    """Counts outcomes, shows a bar of them on stderr, and writes failures above it."""

    def __init__(self, *, bar: bool, count: Callable[[], int]) -> None:
        self.counts: Counter[str] = Counter()
        self._exposures: list[Exposure] = []
        self._began = perf_counter()
        self._bar: tqdm[Never] | None = None
        if bar and sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415 - 90 ms that are wasted where nobody looks

            self._bar = tqdm(unit=" images", smoothing=0.05, dynamic_ncols=True)
            Thread(target=self._set_total, args=[count], daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        if isinstance(error, KeyboardInterrupt):
            click.echo("interrupted: the same command goes on from here", err=True)
            click.echo(self.summary())

    def take(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.counts[type(outcome).__name__] += 1
        exposure = getattr(outcome, "exposure", None)
        if exposure is not None:
            self._exposures.append(exposure)
        error = getattr(outcome, "error", None)
        if error is not None:
            with suppress(OSError):  # nobody listens any more; the exit code still tells
                self._report(outcome.source, error)
        if self._bar is not None:
            self._bar.update()

    def _report(self, source: str, error: Exception) -> None:
        reason = explain(error)
        line = reason if shown(source) in reason else f"{shown(source)}: {reason}"
        if self._bar is None:
            click.echo(line, err=True)
            return
        self._bar.write(line, file=sys.stderr)
        self._bar.set_postfix(failed=self.counts["Failed"], refresh=False)

    def _set_total(self, count: Callable[[], int]) -> None:
        try:
            total = count()
        except OSError:  # the run itself comes upon it, and says so
            return
        if self._bar is not None:
            self._bar.total = total

    def summary(self, *kinds: str) -> str:
        """Say in one line what has been done: how many outcomes of ``kinds``, and failures."""
        kinds = (*(kinds or ("Converted", "UpToDate")), "Failed")
        done = sum(self.counts[kind] for kind in kinds)
        seconds = perf_counter() - self._began
        rate = done / seconds if seconds else 0
        parts = (f"{self.counts[kind]} {_KINDS[kind]}" for kind in kinds)
        return f"{', '.join(parts)} in {seconds:.2f} s ({rate:.0f} images/s)"

    def advice(self) -> list[str]:
        """Say what looks wrong with the pictures, and what would help, a line each."""
        return [f"note: {each}" for each in advice(self._exposures)]

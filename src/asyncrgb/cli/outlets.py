"""Where outcomes go besides the summary: a file for machines, a list of what would be done."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from asyncrgb.cli.parameters import STDOUT
from asyncrgb.cli.words import explain, shown, to_stdout, utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncrgb import Outcome

_OUTCOMES: Final = {
    "Converted": "converted",
    "UpToDate": "up_to_date",
    "Failed": "failed",
    "Pending": "pending",
}
_BYTES: Final = ("read_bytes", "written_bytes")
_STAGES: Final = ("read", "wait", "render", "write")
_VERBS: Final = {"Pending": "convert", "UpToDate": "keep", "Failed": "fail"}
_WIDTH: Final = max(map(len, _VERBS.values())) + 2
_MODE: Final = 0o666


class Outlet(Protocol):
    """Takes outcomes, until it cannot."""

    def take(self, outcome: Outcome) -> None:
        """Put one outcome out; raises OSError where that fails."""

    def close(self) -> None:
        """Make sure that all are out; raises OSError if they are not."""


class Outlets:
    """Several outlets as one. If one of them fails, the run is to end in good order.

    Attributes:
        when_failed: called then; the error comes out of ``close``.

    """

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self.when_failed: Callable[[], object] = bool
        self._outlets = outlets
        self._error: OSError | None = None

    def __len__(self) -> int:
        """Count them."""
        return len(self._outlets)

    def take(self, outcome: Outcome) -> None:
        """Put one outcome out everywhere."""
        if self._error is not None:
            return
        try:
            for each in self._outlets:
                each.take(outcome)
        except OSError as error:
            self._error = error
            self.when_failed()

    def close(self) -> None:
        """Make sure that all outcomes are out.

        Raises:
            OSError: some are not.

        """
        if self._error is not None:
            raise self._error
        for each in self._outlets:
            each.close()


class ReportFile:
    """A line of JSON for each source, written as soon as it is known what became of it.

    Args:
        path: the file, begun anew; "-" is stdout.

    Raises:
        OSError: the file cannot be written.

    """

    def __init__(self, path: str) -> None:
        self._whole = path != STDOUT  # what else goes to stdout is not ours to cut
        self._path = path if self._whole else "stdout"
        self._fd = _begun(path) if self._whole else os.dup(sys.stdout.fileno())
        self._length = 0

    def take(self, outcome: Outcome) -> None:
        """Write what became of a source; that it has been measured is not all of it."""
        if type(outcome).__name__ in _OUTCOMES:
            line = json.dumps(_record(outcome)).encode() + b"\n"
            try:
                _write(self._fd, line)
            except OSError as error:
                error.filename = self._path
                if self._whole:
                    with suppress(OSError):  # a pipe has no length; a file shall have whole lines
                        os.ftruncate(self._fd, self._length)
                raise
            self._length += len(line)

    def close(self) -> None:
        """Close the file, which is when some file systems find that it is too long."""
        try:
            os.close(self._fd)
        except OSError as error:
            error.filename = self._path
            raise


def _begun(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags | getattr(os, "O_BINARY", 0), _MODE)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _record(outcome: Outcome) -> dict[str, object]:
    """Give all that is known of an outcome; what is not known is null."""
    error = getattr(outcome, "error", None)
    destination = getattr(outcome, "destination", None)
    return {
        "source": utf8(outcome.source),
        "destination": destination if destination is None else utf8(destination),
        "outcome": _OUTCOMES[type(outcome).__name__],
        "error": error and type(error).__name__,
        "message": error and explain(error),
        **_traced(outcome),
    }


def _traced(outcome: Outcome) -> dict[str, object]:
    """Give the bytes moved, and the milliseconds in each stage."""
    trace = getattr(outcome, "trace", None)
    found: dict[str, object] = {name: getattr(trace, name, None) for name in _BYTES}
    for stage in _STAGES:
        seconds = getattr(trace, f"{stage}_seconds", None)
        found[f"{stage}_ms"] = None if seconds is None else round(1000 * seconds, 3)
    return found


class Forecast:
    """Lists on stdout what would be done. It need not come through at once, as a bar does."""

    def __init__(self, *, failures_only: bool) -> None:
        self._failures_only = failures_only

    def take(self, outcome: Outcome) -> None:
        """Write a line on one source."""
        verb = _VERBS.get(type(outcome).__name__)
        if verb is None or (self._failures_only and verb != "fail"):
            return
        try:
            sys.stdout.write(f"{verb:<{_WIDTH}}{_foreseen(outcome)}\n")
        except OSError as error:
            raise to_stdout(error) from None

    def close(self) -> None:
        """Let it all out."""
        try:
            sys.stdout.flush()
        except OSError as error:
            raise to_stdout(error) from None


def _foreseen(outcome: Outcome) -> str:
    source = shown(outcome.source)
    error = getattr(outcome, "error", None)
    if error is None:
        return f"{source} -> {shown(getattr(outcome, 'destination', ''))}"
    return f"{source}: {explain(error).removeprefix(f'{source}: ')}"

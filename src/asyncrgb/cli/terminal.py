"""What a person at the terminal sees: the bar, the failures, the summary."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import click

from asyncrgb.cli.words import explain, is_unread, shown, to_stdout
from asyncrgb.exposure import advice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Never

    from tqdm import tqdm

    from asyncrgb import Converted, Event, Exposure, Failed, Outcome, SceneAdvanced


class Words(NamedTuple):
    """How one kind of run speaks of what it does.

    Attributes:
        kinds: the outcomes that its summary counts, and what they are called there.
        interrupted: what to know when it was.
        timed: whether its speed is worth a word.
        advise: says what looks wrong, given how some pictures came out.
        located: whether pictures were to get a world file.

    """

    kinds: Mapping[str, str]
    interrupted: str
    timed: bool = True
    advise: Callable[[Sequence[Exposure]], list[str]] = advice
    located: bool = False


CONVERTING: Final = Words(
    {"Converted": "converted", "UpToDate": "up to date", "Failed": "failed"},
    "the same command goes on from here",
)
MEASURING: Final = Words(
    {"Measured": "measured", "Failed": "failed"}, "no statistics have been written"
)
FORECAST: Final = Words(
    {"Pending": "to convert", "UpToDate": "up to date", "Failed": "would fail"},
    "there may be more",
    timed=False,
)


def tell(text: str, *, err: bool = False) -> None:
    """Print, if anybody listens.

    Raises:
        StdoutError: somebody does, and misses something.

    """
    try:
        click.echo(text, err=err)
    except OSError as error:
        if not err and not is_unread(to_stdout(error)):
            raise to_stdout(error) from None


class Progress:
    """Counts outcomes, shows a bar of them on stderr, writes failures above it, and sums up.

    Args:
        words: how to speak of the run.
        quiet: no bar and no summary.
        count: counts the sources, for a bar; None: no bar.
        failures: whether to write failures.
        summary_on_stderr: where the summary goes, instead of stdout.

    """

    def __init__(
        self,
        words: Words,
        *,
        quiet: bool,
        count: Callable[[], int] | None = None,
        failures: bool = True,
        summary_on_stderr: bool = False,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._words = words
        self._quiet = quiet
        self._failures = failures
        self._summary_on_stderr = summary_on_stderr
        self._exposures: list[Exposure] = []
        self._lost = 0  # pictures without a place on earth
        self._began = perf_counter()
        self._bar: tqdm[Never] | None = None
        self._shares: dict[str, float] = {}  # of scenes under way, that the bar has been moved for
        if count is not None and not quiet and sys.stderr.isatty():
            from tqdm import tqdm  # noqa: PLC0415 - 90 ms that are wasted where nobody looks

            self._bar = tqdm(unit=" images", smoothing=0.05, dynamic_ncols=True)
            Thread(target=self._set_total, args=[count], daemon=True).start()

    def take(self, outcome: Outcome) -> None:
        """Count one outcome."""
        kind = type(outcome).__name__
        self.counts[kind] += 1
        if kind == "Converted":
            converted: Converted = outcome  # type: ignore[assignment] # no cast: it is a call
            self._lost += not converted.worldfile
            if converted.exposure is not None:
                self._exposures.append(converted.exposure)
        elif kind == "Failed" and self._failures:
            self._lament(cast("Failed", outcome))
        if self._bar is not None:
            with suppress(OSError):  # nobody looks any more
                self._bar.set_postfix(self._failed(), refresh=False)
                self._bar.update(1 - self._shares.pop(outcome.source, 0))

    def hear(self, event: Event) -> None:
        """Move the bar with the parts of a scene, which alone may take minutes."""
        if type(event).__name__ == "SceneAdvanced" and self._bar is not None:
            scene = cast("SceneAdvanced", event)
            before = self._shares.get(scene.source, 0)
            self._shares[scene.source] = scene.share
            with suppress(OSError):  # nobody looks any more
                self._bar.update(scene.share - before)

    def _lament(self, failed: Failed) -> None:
        reason, source = explain(failed.error), shown(failed.source)
        self.say(reason if source in reason else f"{source}: {reason}")

    def say(self, line: str) -> None:
        """Write a line to stderr, above the bar; from any thread."""
        if self._bar is None:
            tell(line, err=True)
            return
        with suppress(OSError):  # nobody listens any more; the exit code still tells
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        bar, self._bar = self._bar, None
        if bar is not None:
            with suppress(OSError):
                bar.close()

    def conclude(self, *, interrupted: bool) -> None:
        """Sum up, once it is over."""
        self.close()
        if interrupted:
            tell(f"interrupted: {self._words.interrupted}", err=True)
        if not self._quiet:
            notes = [f"note: {each}" for each in self._notes()]
            tell("\n".join([self._summary(), *notes]), err=self._summary_on_stderr)

    def _notes(self) -> list[str]:
        """Say what may not be as it was meant."""
        notes = self._words.advise(self._exposures)
        if self._words.located and self._lost:
            count = f"{self._lost} of {self.counts['Converted']}"
            notes += [f"{count} pictures got no world file: their TIFFs have no place on earth"]
        return notes

    def _failed(self) -> dict[str, int]:
        failed = self.counts["Failed"]
        return {"failed": failed} if failed else {}

    def _set_total(self, count: Callable[[], int]) -> None:
        try:
            total = count()
        except Exception:  # noqa: BLE001 - the run itself comes upon it, and says so
            return
        if self._bar is not None:
            self._bar.total = total

    def _summary(self) -> str:
        """Say in one line what has been done."""
        kinds = self._words.kinds
        text = ", ".join(f"{self.counts[kind]} {word}" for kind, word in kinds.items())
        if not self._words.timed:
            return text
        seconds = perf_counter() - self._began
        done = sum(self.counts[kind] for kind in kinds)
        return f"{text} in {seconds:.2f} s ({done / seconds if seconds else 0:.0f} images/s)"

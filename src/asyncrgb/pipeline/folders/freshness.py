"""Whether an output has to be made again, the way make decides it.

An output is fresh if it is not older than its source, and not older than the moment its
folder was first given the options of this run. That moment is the modification time of a
small record in the folder, by the same clock as that of the outputs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.errors import CollisionError
from asyncrgb.pipeline.outcomes import Failed, Job, StampedJob, UpToDate
from asyncrgb.pipeline.storage.places import Places

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.folders.plan import Planned
    from asyncrgb.pipeline.outcomes import Trace
    from asyncrgb.pipeline.storage.results import Results

_RENDERING: Final = 2  # raise when the same options begin to give other pictures


class Freshness:
    """The state of one folder of results with regard to some options.

    Args:
        results: the folder.
        places: where sources are.
        since: the moment from which on results are of these options.

    Attributes:
        anew: whether the folder has not had these options before, so that nothing in it can be
            fresh, and need not be looked at.
        mixed: whether there were files before the first results, which may be anybody's.

    """

    def __init__(
        self, results: Results, places: Places, since: int, *, anew: bool, mixed: bool
    ) -> None:
        self._results = results
        self._places = places
        self._since = since
        self.anew = anew
        self.mixed = mixed

    @classmethod
    def of(
        cls, results: Results, options: RenderOptions, places: Places | None = None
    ) -> Freshness:
        """Read the record of a folder; write it anew, and make the folder, where it differs.

        Raises:
            OSError: the folder cannot be made or written.

        """
        places = places or Places()
        state = cls.seen(results, options, places)
        if not state.anew:
            return state
        since = results.keep(_text(options, mixed=state.mixed))
        return cls(results, places, since, anew=True, mixed=state.mixed)

    @classmethod
    def seen(
        cls, results: Results, options: RenderOptions, places: Places | None = None
    ) -> Freshness:
        """Read the record of a folder, and leave all as it is."""
        record = _read(results.record())
        anew = not record.says(options)
        # last: whoever has replaced it since then makes everything stale, which is safe
        since = results.moment()
        mixed = results.occupied() if record.mixed is None else record.mixed
        return cls(results, places or Places(), since or 0, anew=anew or since is None, mixed=mixed)

    def is_fresh(self, job: Job) -> bool:
        """Tell whether the output of ``job`` can stay as it is.

        A world file is not looked for: where there is none, there may never have been one, as
        only the source tells whether it has a place.
        """
        try:
            output = self._results.modified(job.destination)
            if output is None or output < self._since:
                return False
            if isinstance(job, StampedJob):
                return output >= job.stamp.modified
            return output >= self._places.of(job.source).modified(job.source)
        except (OSError, ValueError):  # what is wrong with the source is found out by reading it
            return False

    def sift(self, planned: list[Planned], trace: Trace | None = None) -> list[Planned]:
        """Replace the jobs that need no work, or may not be done, by their outcomes."""
        left: list[Planned] = [
            UpToDate(each.source, each.destination, trace)
            if isinstance(each, Job) and not self.anew and self.is_fresh(each)
            else each
            for each in planned
        ]
        return spare(left, self._places) if self.mixed else left


def spare(planned: list[Planned], places: Places) -> list[Planned]:
    """Replace the jobs whose output would take the place of somebody else's picture by failures."""
    return [
        _spared(each)
        if isinstance(each, Job) and places.of(each.destination).foreign(each.destination)
        else each
        for each in planned
    ]


def forget_if_replaced(results: Results, options: RenderOptions) -> None:
    """Remove the record if another run with other options has put its own there meanwhile.

    What lies there then is partly of one run and partly of the other, and nothing tells which.
    """
    if not _read(results.record()).says(options):
        results.forget()


def has_record(results: Results) -> bool:
    """Tell whether anything in a folder could be fresh at all."""
    return results.moment() is not None


def _spared(job: Job) -> Failed:
    return Failed(
        job.source,
        CollisionError(
            f"{job.destination} is there already, and asyncrgb has not made it: name another "
            "place, or have it replaced (--force)"
        ),
    )


class _Record(NamedTuple):
    """What a record says; None: nothing."""

    rendering: object = None
    options: object = None
    mixed: bool | None = None

    def says(self, options: RenderOptions) -> bool:
        """Tell whether what has been made since then is of these options."""
        return (self.rendering, self.options) == (_RENDERING, repr(options))


def _read(text: str | None) -> _Record:
    try:
        found = json.loads(text or "")
        return _Record(found["rendering"], found["options"], found.get("mixed") is True)
    except (ValueError, TypeError, KeyError, AttributeError):  # whoever wrote it, it says nothing
        return _Record()


def _text(options: RenderOptions, *, mixed: bool) -> str:
    record = _Record(_RENDERING, repr(options), mixed)
    return json.dumps(record._asdict(), indent=2) + "\n"

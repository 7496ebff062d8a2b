"""Whether an output has to be made again, the way make decides it.

An output is fresh if it is not older than its source, and not older than the moment its
folder was first given the options of this run. That moment is the modification time of a
small record in the folder, by the same clock as that of the outputs.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.files import make_folder, write_atomically
from asyncrgb.pipeline.outcomes import Job, UpToDate

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.outcomes import Trace
    from asyncrgb.pipeline.plan import Planned

RECORD: Final = ".asyncrgb.json"
_RENDERING: Final = 2  # raise when the same options begin to give other pictures


class Freshness:
    """The state of one destination folder with regard to some options.

    Attributes:
        anew: whether the folder has not had these options before, so that nothing in it can be
            fresh, and need not be looked at.

    """

    def __init__(self, since: int, *, anew: bool) -> None:
        self._since = since
        self.anew = anew

    @classmethod
    def of(cls, folder: str, options: RenderOptions, *, fsync: bool = False) -> Freshness:
        """Read the record of ``folder``; write it anew, and make the folder, where it differs.

        Where results are to survive a power cut, the record has to do so before them: newer
        than the record of other options, they would pass for their results.

        Raises:
            OSError: the folder cannot be made or written.

        """
        make_folder(folder, fsync=fsync)
        state = cls.seen(folder, options)
        if not state.anew:
            return state
        record = os.path.join(folder, RECORD)
        write_atomically(record, _text(options).encode(), fsync=fsync)
        return cls(os.stat(record).st_mtime_ns, anew=True)

    @classmethod
    def seen(cls, folder: str, options: RenderOptions) -> Freshness:
        """Read the record of ``folder``, and leave all as it is."""
        record = os.path.join(folder, RECORD)
        anew = _read(record) != _text(options)
        try:  # last: whoever has replaced it since then makes everything stale, which is safe
            return cls(os.stat(record).st_mtime_ns, anew=anew)
        except OSError:
            return cls(0, anew=True)

    def is_fresh(self, job: Job) -> bool:
        """Tell whether the output of ``job`` can stay as it is.

        A world file is not looked for: where there is none, there may never have been one, as
        only the source tells whether it has a place.
        """
        try:
            output = os.stat(job.destination)
            if output.st_mtime_ns < self._since or not stat.S_ISREG(output.st_mode):
                return False
            return output.st_mtime_ns >= os.stat(job.source).st_mtime_ns
        except (OSError, ValueError):  # what is wrong with the source is found out by reading it
            return False

    def sift(self, planned: list[Planned], trace: Trace | None = None) -> list[Planned]:
        """Replace the jobs that need no work by their outcomes."""
        return [
            UpToDate(each.source, each.destination, trace)
            if isinstance(each, Job) and self.is_fresh(each)
            else each
            for each in planned
        ]


def forget_if_replaced(folder: str, options: RenderOptions) -> None:
    """Remove the record if another run with other options has put its own there meanwhile.

    What lies there then is partly of one run and partly of the other, and nothing tells which.
    """
    with suppress(OSError):
        if _read(os.path.join(folder, RECORD)) != _text(options):
            os.unlink(os.path.join(folder, RECORD))


def has_record(folder: str) -> bool:
    """Tell whether anything in ``folder`` could be fresh at all."""
    return os.path.exists(os.path.join(folder, RECORD))


def _text(options: RenderOptions) -> str:
    return json.dumps({"rendering": _RENDERING, "options": repr(options)}, indent=2) + "\n"


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None

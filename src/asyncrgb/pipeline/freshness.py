"""Whether an output has to be made again, the way make decides it.

An output is fresh if it is not older than its source, and not older than the moment its
folder was first given the options of this run. That moment is the modification time of a
small record in the folder, by the same clock as that of the outputs.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Final

from asyncrgb.pipeline.files import write_atomically

if TYPE_CHECKING:
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.outcomes import Job

RECORD: Final = ".asyncrgb.json"
_RENDERING: Final = 2  # raise when the same options begin to give other pictures


class Freshness:
    """The state of one destination folder with regard to some options.

    Attributes:
        anew: whether the folder has just been given these options, so that nothing in it
            can be fresh, and need not be looked at.

    """

    def __init__(self, since: int, *, anew: bool) -> None:
        self._since = since
        self.anew = anew

    @classmethod
    def of(cls, folder: str, options: RenderOptions) -> Freshness:
        """Read the record of ``folder``; write it anew, and make the folder, where it differs.

        Raises:
            OSError: the folder cannot be made or written.

        """
        os.makedirs(folder, exist_ok=True)
        record = os.path.join(folder, RECORD)
        text = json.dumps({"rendering": _RENDERING, "options": repr(options)}, indent=2) + "\n"
        anew = _read(record) != text
        if anew:
            write_atomically(record, text.encode())
        return cls(os.stat(record).st_mtime_ns, anew=anew)

    def is_fresh(self, job: Job) -> bool:
        """Tell whether the output of ``job`` can stay as it is."""
        try:
            output = os.stat(job.destination)
        except OSError:
            return False
        made = output.st_mtime_ns if stat.S_ISREG(output.st_mode) else 0
        return made >= self._since and made >= os.stat(job.source).st_mtime_ns


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None

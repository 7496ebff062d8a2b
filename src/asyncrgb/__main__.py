"""``python -m asyncrgb``, and the entry point of the command."""

import os
import signal
import sys

from asyncrgb.fork_server import end_fork_server, leave, start_fork_server
from asyncrgb.garbage import collect_rarely

# With these, nothing is rendered, or not by workers of this process alone, or who knows by whom.
_ELSEWHERE = {"--help", "--dry-run", "--executor", "--shards", "--dask", "--config"}


def main() -> None:
    """Run the command; a signal while it is loaded, and has begun nothing, just ends it."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _leave)
    _open_standard_streams()
    _leave_out()
    if _will_convert(sys.argv[1:]):
        start_fork_server()
    try:
        from asyncrgb.cli import main as run  # noqa: PLC0415 - what takes the time

        run()
    finally:
        end_fork_server()


def _leave(number: int, _: object) -> None:
    """Leave without an exception, which could come out anywhere and say anything."""
    leave(128 + number)


def _will_convert(arguments: list[str]) -> bool:
    """Guess whether workers of our own will be needed, from what most calls look like.

    To know for sure takes a seventh of a second, in which all commands are loaded. A guess in vain
    costs a process that ends with this one; one that is missed, only that time.
    """
    source, *others = arguments[arguments[:1] == ["convert"] :] or [""]
    words = {each.partition("=")[0] for each in others}
    return len(others) > 0 and not words & _ELSEWHERE and os.path.exists(source)


def _leave_out() -> None:
    """Do without what a process of our own and its workers have no use for.

    The threads of numpy's linear algebra look for work for 50 ms of a processor wherever they
    are started.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    collect_rarely()


def _open_standard_streams() -> None:
    """Let nothing else get the descriptors of streams that were closed by whoever called."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - kept
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - kept


if __name__ == "__main__":
    main()

"""``python -m asyncrgb``, and the entry point of the command."""

import os
import sys


def main() -> None:
    """Run the command; Ctrl-C while it is loaded ends it without a traceback too."""
    _open_standard_streams()
    try:
        from asyncrgb.cli import main as run  # noqa: PLC0415 - what takes the time

        run()
    except KeyboardInterrupt:
        sys.exit(130)


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

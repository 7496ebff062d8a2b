"""``python -m asyncrgb``, and the entry point of the command."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is loaded ends it without a traceback too."""
    try:
        from asyncrgb.cli import main as run  # noqa: PLC0415 - what takes the time

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()

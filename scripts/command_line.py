"""What the command lines of the scripts have in common."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


def positive(text: str) -> int:
    """Read a number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def names_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Give what reads names of ``known``, with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}: choose from {', '.join(known)}")
        return names

    return read


def run(main: Callable[[Sequence[str]], int]) -> Never:
    """Run a script to its exit code, those of Ctrl-C and SIGTERM included."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)

"""Serve a store as a process: ``python -m buckets SECONDS NAME...``; prints its address.

It ends when its standard input does.
"""

from __future__ import annotations

import sys

from buckets.server import Store, serving


def main() -> None:
    """Serve until nobody wants it any more."""
    with serving(Store(*sys.argv[2:], delay=float(sys.argv[1]))) as address:
        print(address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

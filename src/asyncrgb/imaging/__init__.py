"""Floor 1: bytes in, bytes out. Knows no files, no event loop and no processes."""

from asyncrgb.imaging.chip import render

__all__ = ["render"]

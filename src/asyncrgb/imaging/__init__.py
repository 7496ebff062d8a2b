"""Floor 1: bytes in, bytes out. Knows no files, no event loop and no processes."""

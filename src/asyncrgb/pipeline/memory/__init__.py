"""The shared memory that images travel in."""

"""A whole folder: planned, skipped where it is fresh, measured, converted."""

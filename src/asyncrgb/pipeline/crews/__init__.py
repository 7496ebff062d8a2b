"""How many readers and writers there are, and how they work."""

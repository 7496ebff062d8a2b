"""Floor 2: moves bytes between storage and workers, and never looks into them."""

"""Images that are larger than their share of the memory, part by part."""

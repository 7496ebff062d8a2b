"""From the bytes of a TIFF, all of them or some ranges, to pixels; and what it says of them."""

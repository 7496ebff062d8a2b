"""From pixels to the bytes of a picture, all at once or piece by piece."""

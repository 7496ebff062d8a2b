"""The public face of asyncrgb."""

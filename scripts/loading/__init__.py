"""Parts of ``scripts/load.py``."""

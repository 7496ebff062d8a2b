"""Addresses of object stores, among the names of files."""

from __future__ import annotations

import re
from typing import Final

SCHEMES: Final = ("s3://", "gs://", "az://", "https://", "http://")
_USER: Final = re.compile(r"(\w+://)[^/\s@]*@")
_QUERY: Final = re.compile(r"(https?://[^\s?#]*)[?#][^\s'\")]*", re.IGNORECASE)


def is_url(path: object) -> bool:
    """Tell whether ``path`` is that of an object or a prefix in a store, and not of a file."""
    return type(path) is str and "://" in path and path.lower().startswith(SCHEMES)


def redacted(text: str) -> str:
    """Hide what gives access in the URLs of a text: names with passwords, and signed queries."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1?...", _USER.sub(r"\1...@", text))


def unqueried(path: str) -> str:
    """Leave the query of a web address out: what is before it names the file."""
    return _QUERY.sub(r"\1", path) if "://" in path else path

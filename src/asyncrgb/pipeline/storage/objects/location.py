"""What a URL says: which store is meant, and which key in it."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from asyncrgb.errors import OptionsError
from asyncrgb.urls import redacted

WEB: Final = ("http", "https")


class Location(NamedTuple):
    """A place in a store.

    Attributes:
        scheme: s3, gs, az, http or https.
        root: the bucket or container; of the web the address of the server, with what gives
            access to it.
        key: of an object, or a prefix of keys without the slash at its end; empty: all.

    """

    scheme: str
    root: str
    key: str

    @property
    def shown(self) -> str:
        """The URL, without what gives access."""
        return redacted(self.url)

    @property
    def url(self) -> str:
        """The URL, without its query: it is that of one object."""
        root = self.root.partition("/?")[0]
        bare = root if self.scheme in WEB else f"{self.scheme}://{root}"
        return f"{bare}/{self.key}" if self.key else bare


def located(url: str) -> Location:
    """Take a URL apart.

    The path of a web address is percent-encoded, a key of a bucket is taken as it is written.

    Raises:
        OptionsError: it names no bucket, or no server.

    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    root, _, key = rest.partition("/")
    if not root:
        raise OptionsError(f"{redacted(url)}: it names no bucket: give {scheme}://BUCKET/PREFIX")
    if scheme not in WEB:
        return Location(scheme, root, key.rstrip("/"))
    parts = urlsplit(url)
    query = f"/?{parts.query}" if parts.query else ""
    return Location(scheme, f"{scheme}://{parts.netloc}{query}", unquote(parts.path).strip("/"))

"""What lies in the buckets of the store, and the documents that say so."""

from __future__ import annotations

import time
from bisect import bisect_right, insort
from datetime import UTC, datetime
from hashlib import md5
from itertools import count
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

_PAGE: Final = 1000
_uploads = count(1)


class Stored(NamedTuple):
    """An object."""

    body: bytes
    tag: str
    moment: float


class Bucket:
    """A bucket: objects by their keys, and uploads that are not complete."""

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._keys: list[str] = []

    def put(self, key: str, body: bytes) -> Stored:
        """Store an object."""
        stored = Stored(body, f'"{md5(body, usedforsecurity=False).hexdigest()}"', time.time())
        if key not in self.objects:
            insort(self._keys, key)
        self.objects[key] = stored
        return stored

    def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        if self.objects.pop(key, None) is not None:
            self._keys.remove(key)

    def begin(self) -> str:
        """Begin an upload in parts."""
        number = f"upload-{next(_uploads)}"
        self.uploads[number] = {}
        return number

    def complete(self, upload: str, key: str) -> Stored:
        """Make an object of the parts of an upload."""
        parts = self.uploads.pop(upload)
        return self.put(key, b"".join(parts[number] for number in sorted(parts)))

    def listed(self, prefix: str, after: str, delimiter: str, most: int = _PAGE) -> str:
        """Give a page of a list, as ListObjectsV2 has it."""
        found: list[str] = []
        last, folders, more = after, set[str](), False
        for key in self._keys[bisect_right(self._keys, max(after, prefix[:-1])) :]:
            if not key.startswith(prefix):
                if key > prefix:
                    break
                continue
            if len(found) + len(folders) == most:
                more = True
                break
            last = key
            inner = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if inner[1]:
                folders.add(prefix + inner[0] + delimiter)
            else:
                found.append(_entry(key, self.objects[key]))
        common = "".join(
            f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>"
            for each in sorted(folders)
        )
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
        return document(
            "ListBucketResult",
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(found)}{common}",
        )


def _entry(key: str, stored: Stored) -> str:
    moment = datetime.fromtimestamp(int(stored.moment), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>{moment}</LastModified>"
        f"<ETag>{escape(stored.tag)}</ETag><Size>{len(stored.body)}</Size></Contents>"
    )


def document(name: str, inner: str) -> str:
    """Give an XML document."""
    return f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'


def refusal(code: str, said: str) -> str:
    """Give the document of an error."""
    return document("Error", f"<Code>{code}</Code><Message>{said}</Message>")

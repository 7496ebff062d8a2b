"""What obstore raises, as errors that say what is wrong with which URL, and what to do.

Its own texts run over many lines, and may hold signed URLs: nothing of them is passed on but the
status, what the server says of it, and the first line where there is neither.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from asyncrgb.errors import StoreError
from asyncrgb.urls import redacted

if TYPE_CHECKING:
    from collections.abc import Callable

TRUNCATED: Final = "its body ended early, again and again: check the server, or a proxy before it"
CHANGED: Final = "it was replaced while it was read: convert it again once it is complete"
_STATUS: Final = re.compile(r"status code: (\d{3})[ ]?([A-Za-z ]*)")
_CODE: Final = re.compile(r"<Code>([^<]*)</Code>")
_SAID: Final = re.compile(r"<Message>([^<\n]*)")
_LONGEST: Final = 200
_ACCESS: Final = "check the credentials, and what they allow"


class _Kind(NamedTuple):
    """A kind of fault: how to know it, and what to say."""

    fits: Callable[[str, int], bool]
    number: int
    text: str


_KINDS: Final = (
    _Kind(
        lambda text, _: "NoSuchBucket" in text or "ContainerNotFound" in text,
        errno.ENXIO,
        "there is no such bucket: check its name and the endpoint",
    ),
    _Kind(
        lambda text, _: "169.254.169.254" in text or "metadata.google" in text,
        errno.EACCES,
        "there are no credentials: set those of the environment, as AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY or AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, or "
        "AZURE_STORAGE_ACCOUNT_KEY; for what is public AWS_SKIP_SIGNATURE=true and the like",
    ),
    _Kind(
        lambda text, status: status in {301, 307} or "PermanentRedirect" in text,
        errno.ENXIO,
        "the bucket is in another region: set AWS_REGION",
    ),
    _Kind(
        lambda text, status: status in {401, 403} or "PermissionDenied" in text,
        errno.EACCES,
        f"access is denied: {_ACCESS}",
    ),
    _Kind(
        lambda text, status: status == 404 or text.startswith("Object at location"),  # noqa: PLR2004
        errno.ENOENT,
        "there is no such object: check the name",
    ),
    _Kind(
        lambda _, status: status == 429 or status >= 500,  # noqa: PLR2004 - of HTTP
        errno.EAGAIN,
        "the store turned it down again and again: try later, or give smaller --reads and --writes",
    ),
    _Kind(
        lambda text, _: "TimedOut" in text or "timed out" in text,
        errno.ETIMEDOUT,
        "no answer came in time, again and again: try later, or give smaller --reads and --writes",
    ),
    _Kind(
        lambda text, _: "kind: Connect" in text or "dns error" in text,
        errno.ECONNREFUSED,
        "the store cannot be reached: check the endpoint, and the network",
    ),
    _Kind(
        lambda text, _: "error sending request" in text or "ConnectionReset" in text,
        errno.ECONNRESET,
        "the connection broke, again and again: try later",
    ),
    _Kind(
        lambda text, _: "error decoding response body" in text or "IncompleteBody" in text,
        errno.EIO,
        TRUNCATED,
    ),
    _Kind(
        lambda text, _: "Could not parse path" in text or "Error parsing Path" in text,
        errno.EINVAL,
        "its key cannot be used: keys with empty parts (//), . or .. have to be renamed",
    ),
)


def fault(error: Exception, url: str) -> Exception:
    """Turn what obstore has raised about a URL into an error of ours; others stay as they are."""
    if not _of_obstore(error):
        return error
    text = str(error)
    found = _STATUS.search(text)
    status = int(found[1]) if found else 0
    for kind in _KINDS:
        if kind.fits(text, status):
            return StoreError(kind.number, f"{kind.text}{_answer(text)}", redacted(url))
    return StoreError(errno.EIO, told(error), redacted(url))


def told(error: Exception) -> str:
    """Say in a line what an error of obstore says in many, without anything secret."""
    first = str(error).partition("\n")[0] or type(error).__name__
    return redacted(first)[:_LONGEST]


def _answer(text: str) -> str:
    """Give what the server has said."""
    found = _STATUS.search(text)
    if found is None:
        return ""
    code, said = _CODE.search(text), _SAID.search(text)
    words = [f"{found[1]} {found[2]}".strip(), code and code[1], said and said[1]]
    return f" ({redacted(', '.join(each for each in words if each))[:_LONGEST]})"


def _of_obstore(error: Exception) -> bool:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - only where a URL is given

    plain = isinstance(error, (FileNotFoundError, ValueError)) and not isinstance(error, StoreError)
    return isinstance(error, BaseError) or plain

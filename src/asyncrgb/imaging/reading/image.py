"""An image that has been looked at, and what becomes of the errors of those who decode it.

This module is the one place that turns the decoders' many exceptions into ``DecodeError``.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging.reading import decoders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffTags

    from asyncrgb.imaging.reading.details import Details
    from asyncrgb.imaging.reading.layout import Form

_SIGNATURES: Final = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})


class Image(NamedTuple):
    """An image that has been looked at, but not decoded.

    Attributes:
        form: what it is.
        data: the whole file.
        reader: reads bands; see ``read``.
        palette: (entries, 3) uint8, the colours that its values stand for, if they do.
        mask: reads which pixels (height, width) have data, if a mask says so.
        said: what the file says besides, if that is known already; see ``details``.

    """

    form: Form
    data: memoryview
    reader: Callable[[Sequence[int]], NDArray[Any]]
    palette: NDArray[np.uint8] | None = None
    mask: Callable[[], NDArray[np.bool_]] | None = None
    said: Details | None = None

    def read(self, bands: Sequence[int]) -> NDArray[Any]:
        """Decode bands.

        Args:
            bands: their numbers, from 1 to ``form.bands``, in the order of the result.

        Returns:
            (height, width, len(bands)); it may be a view on the file's bytes, in its byte order.

        Raises:
            DecodeError: damaged, or of a kind that cannot be decoded.
            LimitError: more than memory holds.

        """
        try:  # without our_errors, which costs more than a view
            return self.reader(bands)
        except Exception as error:
            with our_errors(self.data):
                raise error from None

    def read_mask(self) -> NDArray[np.bool_] | None:
        """Tell which pixels (height, width) have data, if a mask in the file says so.

        Raises:
            DecodeError: the mask is damaged.

        """
        if self.mask is None:
            return None
        with our_errors(self.data):
            return self.mask()

    def details(self) -> Details:
        """Read what the file says of its bands and its place besides."""
        if self.said is not None:
            return self.said
        with our_errors(self.data), decoders.opened(self.data) as tif:
            return details_of(tif)


def details_of(tif: TiffFile) -> Details:
    """Read what a file says of its bands and its place."""
    from asyncrgb.imaging.reading import details  # noqa: PLC0415 - XML, which few images need

    tags = tif.pages.first.tags
    return details.find({code: _value(tags, code) for code in details.TAGS})


def _value(tags: TiffTags, code: int) -> Any:  # noqa: ANN401 - tifffile's
    """Read the value of a tag; None if it is absent or damaged."""
    try:
        return tags.valueof(code)
    except Exception:  # noqa: BLE001 - whatever tifffile raises: pixels do without it
        return None


@contextmanager
def our_errors(data: memoryview) -> Iterator[None]:
    """Turn whatever a decoder raises into an error of ours."""
    try:
        yield
    except AsyncRgbError:
        raise
    except MemoryError as error:
        raise LimitError(
            "the decoded image does not fit into memory: cut it into smaller ones"
        ) from error
    except Exception as error:
        raise DecodeError(_reason(data, error)) from error


def _reason(data: memoryview, error: Exception) -> str:
    if bytes(data[:4]) not in _SIGNATURES:
        return (
            f"not a TIFF file: it starts with {bytes(data[:8])!r}: name it for what it is, "
            "or copy it again from where it came"
        )
    return (
        f"damaged or unsupported TIFF ({type(error).__name__}: {error}): "
        "see what `tiffinfo` says of it, or copy it again from where it came"
    )

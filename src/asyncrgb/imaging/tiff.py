"""From the bytes of a TIFF to an image whose bands can be read.

Three ways lead there. Uncompressed chunky pixels that lie in one piece, which is what
EuroSAT and most chip collections are, need no decoding: after a checked look at the
first directory they are a numpy view on the file's bytes (1 % of the time of
``tifffile.imread``; the look is written by hand for that). Images in ordinary segments are
decoded from what that look found, segment by segment. Everything else is parsed by tifffile.
This module is the one place that turns the decoders' many exceptions into ``DecodeError``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from asyncrgb.errors import AsyncRgbError, DecodeError, LimitError
from asyncrgb.imaging import layout, segments
from asyncrgb.imaging.layout import Form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage, TiffTags

    from asyncrgb.imaging.details import Details
    from asyncrgb.imaging.layout import Layout
    from asyncrgb.options import Limits

_REAL: Final = frozenset("buif")  # kinds of dtypes
_SIGNATURES: Final = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})
_COLOURS: Final = {0: "inverted", 1: "grey", 2: "rgb", 3: "palette", 6: "ycbcr"}
_HARMLESS: Final = 2**26  # decoded bytes that are no danger, however small the file
_PICTURE: Final = 3  # bytes that a pixel takes at least: what is made of it


class Image(NamedTuple):
    """An image that has been looked at, but not decoded.

    Attributes:
        form: what it is.
        data: the whole file.
        reader: reads bands; see ``read``.
        palette: (entries, 3) uint8, the colours that its values stand for, if they do.
        mask: reads which pixels (height, width) have data, if a mask says so.

    """

    form: Form
    data: memoryview
    reader: Callable[[Sequence[int]], NDArray[Any]]
    palette: NDArray[np.uint8] | None = None
    mask: Callable[[], NDArray[np.bool_]] | None = None

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
        try:  # without _our_errors, which costs more than a view
            return self.reader(bands)
        except Exception as error:
            with _our_errors(self.data):
                raise error from None

    def read_mask(self) -> NDArray[np.bool_] | None:
        """Tell which pixels (height, width) have data, if a mask in the file says so.

        Raises:
            DecodeError: the mask is damaged.

        """
        if self.mask is None:
            return None
        with _our_errors(self.data):
            return self.mask()

    def details(self) -> Details:
        """Read what the file says of its bands and its place besides."""
        from asyncrgb.imaging import details  # noqa: PLC0415 - XML, which few images need

        with _our_errors(self.data), segments.opened(self.data) as tif:
            tags = tif.pages.first.tags
            return details.find({code: _value(tags, code) for code in details.TAGS})


def _value(tags: TiffTags, code: int) -> Any:  # noqa: ANN401 - tifffile's
    """Read the value of a tag; None if it is absent or damaged."""
    try:
        return tags.valueof(code)
    except Exception:  # noqa: BLE001 - whatever tifffile raises: pixels do without it
        return None


def find_image(data: memoryview, limits: Limits) -> Image:
    """Find the image of a TIFF file: its first of full resolution, or its pages as bands.

    Args:
        data: the whole file, as bytes.
        limits: what is refused, before anything of its size is allocated.

    Raises:
        DecodeError: no TIFF, damaged, or of a kind that cannot be decoded.
        LimitError: larger than ``limits`` allow.

    """
    found = layout.find(data)
    if found is None:
        with _our_errors(data):
            return _parsed(data, limits)
    _check_size(found.form, (found.coding.rows, found.coding.columns), len(data), limits)
    if found.start is not None:
        _check_present(found.start + found.size, len(data))
        return Image(found.form, data, partial(_view, data, found))
    with _our_errors(data):
        return _segmented(data, segments.find(data, found))


def _view(data: memoryview, found: Layout, bands: Sequence[int]) -> NDArray[Any]:
    height, width, count, dtype, *_ = found.form
    pixels: NDArray[Any] = np.ndarray((height, width, count), dtype, data, found.start or 0)
    return segments.pick(pixels, bands)


def _segmented(data: memoryview, parts: segments.Segments) -> Image:
    ends = map(sum, zip(parts.offsets, parts.counts, strict=True))
    _check_present(max(ends), len(data))
    return Image(parts.form, data, partial(parts.read, data))


@contextmanager
def _our_errors(data: memoryview) -> Iterator[None]:
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


# What tifffile finds.


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages of a file that are images of full resolution, and the mask of the first."""

    images: Sequence[TiffPage]
    mask: TiffPage | None


def _parsed(data: memoryview, limits: Limits) -> Image:
    if not len(data):
        raise DecodeError("the file is empty (0 bytes): copy it again from where it came")
    with segments.opened(data) as tif:
        pages = _sorted_out(tif, limits)
        images = [_page_image(data, page, limits) for page in pages.images]
        image = images[0] if len(images) == 1 else _joined(data, images, tif, limits)
        if pages.mask is None:
            return image
        return image._replace(mask=partial(_mask, _page_image(data, pages.mask, limits)))


def _mask(image: Image) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = image.reader(range(1, image.form.bands + 1)) != 0
    return np.asarray(flags.any(axis=-1))


def _sorted_out(tif: TiffFile, limits: Limits) -> _Pages:
    """Tell images of full resolution from overviews, masks, and what is no image at all."""
    images: list[TiffPage] = []
    mask = None
    seen: set[int] = set()
    for page in (each.aspage() for each in tif.pages):
        if page.offset in seen:
            raise DecodeError("its pages follow each other in a loop: copy it again")
        seen.add(page.offset)
        kind = int(page.subfiletype)
        first = not images
        if kind & 4 and not kind & 1:
            mask = mask or page
        elif not kind & 1 and (first or (page.dtype is not None and 0 not in page.shaped)):
            images.append(page)
        if limits.max_bands and len(seen) > limits.max_bands:
            raise LimitError(_too_many_bands(f"more than {limits.max_bands}", limits))
    images = images or [tif.pages.first]
    same = mask is not None and mask.shaped[2:4] == images[0].shaped[2:4]
    return _Pages(images, mask if same else None)


def _joined(data: memoryview, images: Sequence[Image], tif: TiffFile, limits: Limits) -> Image:
    """Take pages of one band each for the bands of one image, or for its rows."""
    forms = {image.form._replace(nodata=None, alpha=None) for image in images}
    form = images[0].form
    if len(forms) > 1 or form.bands != 1 or form.colours not in ("grey", "inverted"):
        shown = {f"{f.height} x {f.width} x {f.bands} {f.dtype} ({f.colours})" for f in forms}
        raise DecodeError(
            f"{len(images)} pages of {' and '.join(sorted(shown))}: pages can be bands only where "
            "they are grey, of one size and one dtype: split the file into single images"
        )
    if _are_rows(images, tif):
        form = form._replace(height=len(images), width=form.height, bands=form.width)
        reader = _rows
    else:
        form, reader = form._replace(bands=len(images), colours="grey"), _stacked
    _check_size(form, (0, 0), len(data), limits)
    return Image(form, data, partial(reader, images))


def _are_rows(images: Sequence[Image], tif: TiffFile) -> bool:
    """Tell whether pages are the rows of an array (height, width, bands).

    tifffile writes such an array as a page for each row unless it is told otherwise, and notes
    its shape. An array (bands, height, width) is a page for each band; what tells the two
    apart is which axis is the shortest.
    """
    (noted, *_) = tif.shaped_metadata or ({},)
    form = images[0].form
    shape = (len(images), form.height, form.width)
    return tuple(noted.get("shape", ())) == shape and form.width < min(shape[:2])


def _rows(images: Sequence[Image], bands: Sequence[int]) -> NDArray[Any]:
    return np.stack([segments.pick(image.reader([1])[..., 0], bands) for image in images])


def _stacked(images: Sequence[Image], bands: Sequence[int]) -> NDArray[Any]:
    return np.concatenate([images[band - 1].reader([1]) for band in bands], axis=-1)


def _page_image(data: memoryview, page: TiffPage, limits: Limits) -> Image:
    form = _page_form(page)
    _check_size(form, segments.shape(page), len(data), limits)
    _check_page(page)
    palette = _palette(page) if form.colours == "palette" else None
    if _is_plain(page):
        start = page.dataoffsets[0]
        _check_present(start + page.nbytes, len(data))
        pixels: NDArray[Any] = np.ndarray(page.shaped, form.dtype, data, start)
        return Image(form, data, partial(segments.pick, _bands_last(pixels)), palette)
    return _segmented(data, segments.of_page(data, page, form))._replace(palette=palette)


def _is_plain(page: TiffPage) -> bool:
    """Tell whether pixels lie in one piece, as they are."""
    page.predictor = 1 if page.compression == 1 else page.predictor  # so says libtiff
    whole = len(page.dataoffsets) == prod(page.chunked) and any(page.dataoffsets)
    return whole and bool(page.is_final)


def _page_form(page: TiffPage) -> Form:
    planes, _, height, width, samples = page.shaped
    colours = _COLOURS.get(int(page.photometric), "other")
    if colours == "ycbcr":
        colours = "rgb" if page.compression in segments.JPEG else "other"
    nodata = page.tags.valueof(42113)
    return Form(
        height,
        width,
        planes * samples,
        _dtype(page),
        page.bitspersample if isinstance(page.bitspersample, int) else 8,
        colours,
        layout.alpha_band(planes * samples, page.extrasamples),
        layout.number(nodata.encode()) if isinstance(nodata, str) else None,
    )


def _dtype(page: TiffPage) -> np.dtype[Any]:
    """Give the dtype of values, in the byte order of the file: single bits are 0 and 1."""
    if page.dtype is None or page.dtype.kind == "b":
        return np.dtype("u1")
    return page.dtype.newbyteorder(page.parent.byteorder)


def _palette(page: TiffPage) -> NDArray[np.uint8] | None:
    """Give the colours of a palette, of 8 bits: the TIFF has 16, unless a writer got it wrong."""
    colours = page.colormap
    if colours is None or colours.ndim != 2 or len(colours) != 3:  # noqa: PLR2004
        return None
    shift = 8 if colours.max(initial=0) > 255 else 0  # noqa: PLR2004
    return (colours >> shift).astype(np.uint8).T


def _check_page(page: TiffPage) -> None:
    planes, depth, _, _, samples = page.shaped
    if depth != 1:
        raise DecodeError(f"a volume of {depth} layers is not an image: split it into layers")
    if page.dtype is None or page.nbytes == 0:
        raise DecodeError(
            f"no pixels that can be decoded: shape {page.shape}, {page.bitspersample} bits a "
            f"sample, sample format {page.sampleformat}"
        )
    if page.dtype.kind not in _REAL:
        raise DecodeError(
            f"pixels of {page.dtype} are no intensities: store what is to be shown of them, "
            "such as their magnitude, as real numbers"
        )
    if planes > 1 and samples > 1:
        raise DecodeError(f"{planes} planes of {samples} samples each: cannot tell the bands")


def _bands_last(pixels: NDArray[Any]) -> NDArray[Any]:
    """Bring tifffile's (planes, 1, height, width, samples) to (height, width, bands)."""
    planes, _, height, width, samples = pixels.shape
    if planes == 1:
        return pixels.reshape(height, width, samples)
    return np.moveaxis(pixels.reshape(planes, height, width), 0, -1)


# What is refused.


def _check_size(form: Form, segment: tuple[int, int], size: int, limits: Limits) -> None:
    """Refuse an image that is too large, or has strips or tiles that are."""
    height, width = form.height, form.width
    if segment[0] * segment[1] > height * width:
        height, width = segment
    pixels = height * width
    if limits.max_pixels and pixels > limits.max_pixels:
        raise LimitError(
            f"{height} x {width} pixels are more than the limit of {limits.max_pixels}: raise "
            "Limits.max_pixels (--limit-pixels) if the file is to be trusted"
        )
    if limits.max_bands and form.bands > limits.max_bands:
        raise LimitError(_too_many_bands(str(form.bands), limits))
    decoded = pixels * max(_PICTURE, form.bands * form.dtype.itemsize)
    if limits.max_expansion and decoded > _HARMLESS and decoded > limits.max_expansion * size:
        raise LimitError(
            f"a file of {size} bytes that declares {decoded} bytes of pixels: "
            f"raise Limits.max_expansion (--limit-expansion) above {decoded // size} if it is to "
            "be trusted"
        )


def _too_many_bands(count: str, limits: Limits) -> str:
    return (
        f"{count} bands are more than the limit of {limits.max_bands}: "
        "raise Limits.max_bands (--limit-bands) if the file is to be trusted"
    )


def _check_present(needed: int, size: int) -> None:
    if needed > size:
        raise DecodeError(
            f"truncated: the pixels reach to byte {needed}, the file has {size}: "
            "copy it again from where it came"
        )

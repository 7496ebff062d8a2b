"""What tifffile finds: pages, which are images, bands, rows, masks, or smaller copies of these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.errors import DecodeError, LimitError
from asyncrgb.imaging.reading import decoders, layout, refusals, segments
from asyncrgb.imaging.reading.image import Image
from asyncrgb.imaging.reading.layout import Form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from tifffile import TiffFile, TiffPage

    from asyncrgb.imaging.reading.segments import Segments
    from asyncrgb.limits import Limits

_REAL: Final = frozenset("buif")  # kinds of dtypes
_COLOURS: Final = {0: "inverted", 1: "grey", 2: "rgb", 3: "palette", 6: "ycbcr"}


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of a file.

    Attributes:
        images: of full resolution.
        mask: of the first of them.
        copies, masks: smaller copies of images, and masks of such copies.

    """

    images: Sequence[TiffPage]
    mask: TiffPage | None
    copies: Sequence[TiffPage]
    masks: Sequence[TiffPage]


def parse(data: memoryview, limits: Limits) -> Image:
    """Find the image of a file of any kind that tifffile understands.

    Raises:
        Exception: whatever tifffile raises, and ours.

    """
    if not len(data):
        raise DecodeError("the file is empty (0 bytes): copy it again from where it came")
    with decoders.opened(data) as tif:
        pages = sorted_out(tif, limits)
        images = [_page_image(data, page, limits) for page in pages.images]
        image = images[0] if len(images) == 1 else _joined(data, images, tif, limits)
        if pages.mask is None:
            return image
        return image._replace(mask=partial(_mask, _page_image(data, pages.mask, limits)))


def _mask(image: Image) -> NDArray[np.bool_]:
    flags: NDArray[np.bool_] = image.reader(range(1, image.form.bands + 1)) != 0
    return np.asarray(flags.any(axis=-1))


def sorted_out(tif: TiffFile, limits: Limits) -> Pages:
    """Tell images of full resolution from overviews, masks, and what is no image at all.

    Raises:
        DecodeError: pages follow each other in a loop.
        LimitError: there are too many.

    """
    images: list[TiffPage] = []
    copies: list[TiffPage] = []
    masks: list[TiffPage] = []
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
        elif kind & 1:
            (masks if kind & 4 else copies).append(page)
        elif first or (page.dtype is not None and 0 not in page.shaped):
            images.append(page)
        if limits.max_bands and len(seen) > limits.max_bands:
            raise LimitError(refusals.too_many_bands(f"more than {limits.max_bands}", limits))
    images = images or [tif.pages.first]
    same = mask is not None and mask.shaped[2:4] == images[0].shaped[2:4]
    return Pages(images, mask if same else None, copies, masks)


def _joined(data: memoryview, images: Sequence[Image], tif: TiffFile, limits: Limits) -> Image:
    """Take pages of one band each for the bands of one image, or for its rows."""
    form, rows = joined([image.form for image in images], tif)
    refusals.check_size(form, (0, 0), len(data), limits)
    return Image(form, data, partial(_rows if rows else _stacked, images))


def joined(forms: Sequence[Form], tif: TiffFile) -> tuple[Form, bool]:
    """Say what an image is whose bands are pages, and whether these are its rows instead.

    Raises:
        DecodeError: they can be neither.

    """
    kinds = {form._replace(nodata=None, alpha=None) for form in forms}
    count, form = len(forms), forms[0]
    if len(kinds) > 1 or form.bands != 1 or form.colours not in ("grey", "inverted"):
        shown = {f"{f.height} x {f.width} x {f.bands} {f.dtype} ({f.colours})" for f in kinds}
        raise DecodeError(
            f"{count} pages of {' and '.join(sorted(shown))}: pages can be bands only where "
            "they are grey, of one size and one dtype: split the file into single images"
        )
    if _are_rows(forms, tif):
        return form._replace(height=count, width=form.height, bands=form.width), True
    return form._replace(bands=count, colours="grey"), False


def _are_rows(forms: Sequence[Form], tif: TiffFile) -> bool:
    """Tell whether pages are the rows of an array (height, width, bands).

    tifffile writes such an array as a page for each row unless it is told otherwise, and notes
    its shape. An array (bands, height, width) is a page for each band; what tells the two
    apart is which axis is the shortest.
    """
    (noted, *_) = tif.shaped_metadata or ({},)
    form = forms[0]
    shape = (len(forms), form.height, form.width)
    return tuple(noted.get("shape", ())) == shape and form.width < min(shape[:2])


def _rows(images: Sequence[Image], bands: Sequence[int]) -> NDArray[Any]:
    return np.stack([segments.pick(image.reader([1])[..., 0], bands) for image in images])


def _stacked(images: Sequence[Image], bands: Sequence[int]) -> NDArray[Any]:
    return np.concatenate([images[band - 1].reader([1]) for band in bands], axis=-1)


def _page_image(data: memoryview, page: TiffPage, limits: Limits) -> Image:
    form = checked(page, len(data), limits)
    palette = palette_of(page, form)
    if _is_plain(page):
        start = page.dataoffsets[0]
        refusals.check_present(start + page.nbytes, len(data))
        pixels: NDArray[Any] = np.ndarray(page.shaped, form.dtype, data, start)
        return Image(form, data, partial(segments.pick, _bands_last(pixels)), palette)
    return _segmented(data, segments.of_page(data, page, form), palette)


def checked(page: TiffPage, size: int, limits: Limits) -> Form:
    """Say what the image of a page is, in a file of ``size`` bytes.

    Raises:
        DecodeError: it cannot be decoded.
        LimitError: it is larger than ``limits`` allow.

    """
    form = form_of(page)
    refusals.check_size(form, decoders.shape(page), size, limits)
    _check_page(page)
    return form


def _is_plain(page: TiffPage) -> bool:
    """Tell whether pixels lie in one piece, as they are."""
    page.predictor = 1 if page.compression == 1 else page.predictor  # so says libtiff
    whole = len(page.dataoffsets) == prod(page.chunked) and any(page.dataoffsets)
    return whole and bool(page.is_final)


def form_of(page: TiffPage) -> Form:
    """Say what the image of a page is, whether it can be decoded or not."""
    planes, _, height, width, samples = page.shaped
    colours = _COLOURS.get(int(page.photometric), "other")
    if colours == "ycbcr":
        colours = "rgb" if page.compression in decoders.JPEG else "other"
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


def palette_of(page: TiffPage, form: Form) -> NDArray[np.uint8] | None:
    """Give the colours of a palette, of 8 bits: the TIFF has 16, unless a writer got it wrong."""
    colours = page.colormap if form.colours == "palette" else None
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


def _segmented(data: memoryview, parts: Segments, palette: NDArray[np.uint8] | None) -> Image:
    refusals.check_all_present(parts, len(data))
    return Image(parts.form, data, partial(parts.read, data), palette)

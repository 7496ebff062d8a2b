"""All that there is to know of a file before it is turned into a picture.

Made for people who wonder what they were given, so it takes its time: all bands are decoded
and counted, a few at a time, so that not all pixels of a large scene have to fit into memory.
"""

from __future__ import annotations

import io
from math import hypot
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from asyncrgb.checks import view_of
from asyncrgb.errors import AsyncRgbError, BandError, DecodeError
from asyncrgb.imaging import bands
from asyncrgb.imaging.bands import Choice
from asyncrgb.imaging.description import (
    BandDescription,
    Description,
    Place,
    SensorGuess,
    Shown,
    Storage,
)
from asyncrgb.imaging.reading import tiff
from asyncrgb.imaging.statistics import Statistics
from asyncrgb.imaging.values import Values
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.sensors import SENSORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tifffile import TiffFile, TiffPage
    from typing_extensions import Buffer

    from asyncrgb.imaging.description import Reason
    from asyncrgb.imaging.reading.details import Details
    from asyncrgb.imaging.reading.georeference import Georeference
    from asyncrgb.imaging.reading.tiff import Image
    from asyncrgb.imaging.statistics import Histogram
    from asyncrgb.sensors import Sensor

_AT_ONCE: Final = 2**28  # bytes of pixels: chunky files are decoded anew for each share of these
_DEFLATE: Final = 8  # tifffile tells it from 32946, an old number for the same
_PREDICTORS: Final = {2: "horizontal", 3: "floating point"}
_REDUCED, _MASK = 1, 4  # bits of NewSubfileType
_PLANAR: Final = 2
_PROJECTED, _GEOGRAPHIC = 3072, 2048  # GeoKeys of a coordinate system
_CODES: Final = range(1024, 32767)  # what they can hold of EPSG
_KEY: Final = 4  # numbers of a GeoKey
_DIGITS: Final = 15  # of a float, as many as are right whatever was computed


def describe(
    data: Buffer,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen, so sharing it is safe
) -> Description:
    """Say what a TIFF file is; pure and synchronous, and reads all of its pixels.

    Args:
        data: the whole file, any bytes-like object.
        limits: only ``max_pixels``, ``max_bands`` and ``max_expansion`` matter here.

    Raises:
        DecodeError: the bytes are no TIFF, are damaged, or cannot be decoded.
        LimitError: the image is larger than ``limits`` allow.

    """
    view = view_of(data)
    image = tiff.find_image(view, limits)
    form, details = image.form, image.details()
    statistics, zeros = _measured(image)
    return Description(
        file_bytes=len(view),
        height=form.height,
        width=form.width,
        dtype=form.dtype.name,
        bits=form.bits,
        storage=_storage(data),
        nodata=form.nodata,
        alpha=form.alpha,
        palette=None if image.palette is None else len(image.palette),
        place=_place(details.georeference),
        sensors=tuple(_sensors(form.bands - (form.alpha is not None), details.descriptions)),
        described=_described(image, details.descriptions),
        shown=_shown(image),
        zeros=zeros,
        bands=tuple(
            _band(number, details, histogram, form.height * form.width)
            for number, histogram in statistics.bands.items()
        ),
    )


# The pixels.


def _measured(image: Image) -> tuple[Statistics, float]:
    """Count the values of all bands, and the share of the pixels that are 0 in all of them."""
    statistics, zero = Statistics(), np.ones((image.form.height, image.form.width), np.bool_)
    for numbers in _shares(image):
        values = Values(image, Choice(numbers), RenderOptions())
        statistics.add(values.pixels, numbers, values.known)
        for channel in range(len(numbers)):
            zero &= values.pixels[..., channel] == 0
    return statistics, float(zero.mean())


def _shares(image: Image) -> Iterator[tuple[int, ...]]:
    """Part the numbers of the bands into those that are read at once."""
    form = image.form
    size = max(1, _AT_ONCE // (form.height * form.width * form.dtype.itemsize))
    for first in range(1, form.bands + 1, size):
        yield tuple(range(first, min(first + size, form.bands + 1)))


def _band(number: int, details: Details, histogram: Histogram, pixels: int) -> BandDescription:
    p2, p50, p98 = histogram.percentiles((2, 50, 98)) if histogram.count else (None, None, None)
    return BandDescription(
        number=number,
        description=details.descriptions.get(number) or None,
        scale=details.scales.get(number, 1),
        offset=details.offsets.get(number, 0),
        valid=histogram.count,
        blank=1 - histogram.count / pixels,
        minimum=histogram.minimum,
        maximum=histogram.maximum,
        mean=histogram.mean,
        p2=p2,
        p50=p50,
        p98=p98,
    )


# The file.


def _storage(data: Buffer) -> Storage:
    """Read how the file is made, from which the pixels have been read already."""
    from tifffile import TiffFile  # noqa: PLC0415 - as heavy as all the rest

    try:
        with TiffFile(io.BytesIO(data)) as tif:
            return _storage_of(tif)
    except AsyncRgbError:
        raise
    except Exception as error:
        raise DecodeError(
            f"damaged TIFF ({type(error).__name__}: {error}): copy it again from where it came"
        ) from error


def _storage_of(tif: TiffFile) -> Storage:
    pages = [page.aspage() for page in tif.pages]
    kinds = [int(page.subfiletype) for page in pages]
    full = [page for page, kind in zip(pages, kinds, strict=True) if not kind & (_REDUCED | _MASK)]
    reduced = [page for page, kind in zip(pages, kinds, strict=True) if _is_overview(kind)]
    page = full[0] if full else pages[0]
    compressed = int(page.compression) != 1
    return Storage(
        bigtiff=tif.is_bigtiff,
        byte_order="big" if tif.byteorder == ">" else "little",
        tiled=page.is_tiled,
        rows=page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength),
        columns=page.tilewidth if page.is_tiled else page.imagewidth,
        segments=len(page.dataoffsets),
        planar=int(page.planarconfig or 1) == _PLANAR and page.samplesperpixel > 1,
        compression=_compression(page),
        compression_code=int(page.compression),
        predictor=_PREDICTORS.get(int(page.predictor)) if compressed else None,
        photometric=_name(page.photometric),
        pages=len(full),
        overviews=tuple((each.imagelength, each.imagewidth) for each in reduced),
        masks=sum(bool(kind & _MASK) for kind in kinds),
    )


def _is_overview(kind: int) -> bool:
    return bool(kind & _REDUCED) and not kind & _MASK


def _compression(page: TiffPage) -> str:
    return "deflate" if int(page.compression) == _DEFLATE else _name(page.compression)


def _name(value: Any) -> str:  # noqa: ANN401 - an enum of tifffile's, or a number unknown to it
    return str(getattr(value, "name", value)).lower()


def _place(georeference: Georeference | None) -> Place | None:
    if georeference is None:
        return None
    crs, lines = _crs(georeference.keys or ()), georeference.worldfile()
    if lines is None:
        return Place(crs, None, None)
    a, d, b, e, x, y = map(float, lines.split())
    corner = _rounded(x - (a + b) / 2), _rounded(y - (d + e) / 2)
    return Place(crs, (hypot(a, d), hypot(b, e)), corner)


def _rounded(number: float) -> float:
    """Undo what adding and subtracting half a pixel did to the last digits."""
    return float(f"{number:.{_DIGITS}g}")


def _crs(keys: Sequence[int]) -> str | None:
    entries = [keys[at : at + _KEY] for at in range(_KEY, len(keys), _KEY)]
    values = {key: value for key, location, _, value in entries if not location}
    code = values.get(_PROJECTED, values.get(_GEOGRAPHIC, 0))
    return f"EPSG:{code}" if code in _CODES else None


# What its bands may be.


def _shown(image: Image) -> Shown | None:
    try:
        return Shown(*bands.choose(image, RenderOptions()))
    except BandError:
        return None


def _described(image: Image, descriptions: Mapping[int, str]) -> tuple[int, ...] | None:
    if not descriptions:
        return None
    try:
        return bands.choose(image, RenderOptions(bands=("red", "green", "blue"))).bands
    except BandError:
        return None


def _sensors(count: int, descriptions: Mapping[int, str]) -> list[SensorGuess]:
    """List the sensors that the image may be of, by the best reason that there is."""
    reasons = {each: _reason(SENSORS[each], count, descriptions) for each in SENSORS}
    for best in ("order", "names", "count"):
        found = [SensorGuess(name, reason) for name, reason in reasons.items() if reason == best]
        if found:
            return found
    return []


def _reason(sensor: Sensor, count: int, descriptions: Mapping[int, str]) -> Reason | None:
    known = {band: bands.plain(text) for band, text in descriptions.items() if text}
    names = [{bands.plain(own), bands.plain(common)} for own, common in sensor.bands]
    alike = count == len(names)
    if alike and len(known) == count and all(known.get(i + 1) in names[i] for i in range(count)):
        return "order"
    if known and {*known.values()} <= set().union(*names):
        return "names"
    return "count" if sensor.has(count) else None

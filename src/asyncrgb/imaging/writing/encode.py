"""From pixels to the bytes of a file, in any of the formats.

PNG has a writer of its own; the others go through imageio, which is imported when the first
of them is asked for. imageio passes options on to Pillow and tifffile without a look at them,
and leaves it to their encoders to refuse what does not fit, each in its own words or, as with
images of three rows, by a guess at the axes: so everything is checked and said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from asyncrgb.errors import EncodeError
from asyncrgb.formats import BEST_QUALITY, DEFAULT_QUALITY, FORMATS
from asyncrgb.imaging.writing import png

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from asyncrgb.formats import Format
    from asyncrgb.imaging.reading.georeference import Georeference

    Pixels: TypeAlias = NDArray[Any]
    Writer: TypeAlias = Callable[[Pixels, int, int, Georeference | None], bytes]

_DIMENSIONS: Final = 3
_MOST_SAMPLES: Final = 4
_RGB: Final = 3
_WITH_ALPHA: Final = frozenset({2, 4})
_DTYPES: Final = frozenset({"u1", "u2"})
_WEBP_METHODS: Final = 6
_CLASSIC_TIFF: Final = 2**32 - 2**25  # bytes of pixels; the rest is left for everything else


def encode(
    pixels: NDArray[Any],
    format: str,  # noqa: A002 - what the option is called
    *,
    level: int,
    quality: int | None,
    georeference: Georeference | None = None,
) -> bytes:
    """Encode ``pixels`` as a file of ``format``.

    Args:
        pixels: (height, width, samples), uint8 or uint16; 1 to 4 samples: grey, grey and
            alpha, RGB, RGBA.
        format: one of ``FORMATS``.
        level: 0 to 9, how much time may be spent on a small file: deflate's level for png
            and tiff, the encoder's effort for webp; jpeg has no choice.
        quality: 1 to 100 for jpeg and webp, None for the default; at 100 webp is lossless.
            The other formats always are.
        georeference: copied into a tiff; the other formats have no place for it.

    Raises:
        EncodeError: the format cannot hold these pixels, or there is no such format.

    """
    if format == "png":
        return png.encode(pixels, level)
    check(pixels.shape, pixels.dtype, format)
    quality = DEFAULT_QUALITY if quality is None else quality
    _check_quality(format, quality)
    return _written(format, pixels, level, quality, georeference)


def check(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Look whether the format ``name`` can hold pixels of ``shape`` and ``dtype``.

    Raises:
        EncodeError: it cannot; the message says which ones can, or what else helps.

    """
    if name not in FORMATS:
        raise EncodeError(f"there is no format {name!r}: choose --format {_either(FORMATS)}")
    form = FORMATS[name]
    obstacle = _obstacle(shape, dtype, form)
    if obstacle is not None:
        raise EncodeError(f"{name} cannot hold {obstacle}: {_others(shape, dtype)}")
    if max(shape) > form.longest_side:
        raise EncodeError(
            f"{name} cannot hold a side of {max(shape)} pixels, only up to {form.longest_side}: "
            f"{_others(shape, dtype, f'--max-size {form.longest_side}')}"
        )


def _others(shape: tuple[int, ...], dtype: np.dtype[Any], *remedies: str) -> str:
    """Say which formats can hold such pixels, and what else helps."""
    fitting = [
        form.name
        for form in FORMATS.values()
        if not _obstacle(shape, dtype, form) and max(shape) <= form.longest_side
    ]
    if not fitting and not remedies:
        return "no other format can either"
    formats = [f"--format {_either(fitting)}"] if fitting else []
    return f"choose {', or '.join([*formats, *remedies])}"


def _obstacle(shape: tuple[int, ...], dtype: np.dtype[Any], form: Format) -> str | None:
    """Say which kind of pixels the format has no place for; None if it can hold them."""
    if len(shape) != _DIMENSIONS or not _are_pixels(shape, dtype):
        return (
            f"pixels of shape {shape} and {dtype}, only (height, width, samples), "
            f"1 to {_MOST_SAMPLES} samples of uint8 or uint16"
        )
    if shape[2] in _WITH_ALPHA and not form.alpha:
        return "transparency"
    if dtype.itemsize > 1 and not form.deep:
        return f"{8 * dtype.itemsize} bits a sample, only 8"
    return None


def _are_pixels(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    return min(shape) > 0 and shape[2] <= _MOST_SAMPLES and dtype.str[1:] in _DTYPES


def _either(names: Mapping[str, Format] | list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _check_quality(name: str, quality: int) -> None:
    if FORMATS[name].lossy and not 1 <= quality <= BEST_QUALITY:
        raise EncodeError(
            f"{name} has no quality {quality}: give a whole number from 1 (smallest) "
            f"to {BEST_QUALITY} (best)"
        )


def _written(
    name: str, pixels: Pixels, level: int, quality: int, georeference: Georeference | None
) -> bytes:
    """Encode what has been checked; encoders still fail, on noise too large for WebP at least."""
    try:
        return _WRITERS[name](pixels, level, quality, georeference)
    except MemoryError:
        raise
    except Exception as error:
        raise EncodeError(
            f"the {name} encoder failed ({type(error).__name__}: {error}): choose --format png"
        ) from error


def _jpeg(pixels: Pixels, _level: int, quality: int, _place: Georeference | None) -> bytes:
    """Encode as baseline JPEG with colours at full resolution.

    Halved colours, Pillow's default, lose more quality than they save bytes on satellite
    images. Optimal Huffman tables would save a fifth of a chip, but Pillow's buffer for them
    is too small for noise.
    """
    return _by_pillow(pixels, ".jpg", {"quality": quality, "subsampling": 0})


def _webp(pixels: Pixels, level: int, quality: int, _place: Georeference | None) -> bytes:
    """Encode as WebP, which stores grey as RGB; where it is lossless, what is transparent too.

    Its quality means something else where it is lossless, and the best one takes seconds.
    """
    method = min(level, _WEBP_METHODS)
    if quality == BEST_QUALITY:
        return _by_pillow(pixels, ".webp", {"method": method, "lossless": True, "exact": True})
    return _by_pillow(pixels, ".webp", {"method": method, "quality": quality})


def _by_pillow(pixels: Pixels, suffix: str, options: dict[str, Any]) -> bytes:
    from imageio.v3 import imwrite  # noqa: PLC0415 - 60 ms that PNG never needs

    options |= {"plugin": "pillow", "extension": suffix}
    return cast("bytes", imwrite("<bytes>", _without_axis(pixels), **options))


def _without_axis(pixels: Pixels) -> Pixels:
    """Drop the axis of a single sample: imageio takes it for a mistake, or for another axis."""
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _tiff(pixels: Pixels, level: int, _quality: int, place: Georeference | None) -> bytes:
    """Encode as TIFF: deflate with horizontal differences, little-endian on every machine.

    In one thread, because all processors are busy with other images.
    """
    from imageio.plugins.tifffile_v3 import TifffilePlugin  # noqa: PLC0415 - what PNG never needs
    from imageio.v3 import imopen  # noqa: PLC0415 - the same

    big = pixels.nbytes > _CLASSIC_TIFF
    options = _tiff_options(pixels.shape[2], level)
    extra = place.extratags() if place else []
    writer = imopen("<bytes>", "w", plugin=TifffilePlugin, bigtiff=big, byteorder="<")
    with writer:
        return cast("bytes", writer.write(_without_axis(pixels), **options, extratags=extra))


def _tiff_options(samples: int, level: int) -> dict[str, Any]:
    return {
        "photometric": "rgb" if samples >= _RGB else "minisblack",
        "planarconfig": "contig",
        "extrasamples": ["unassalpha"] if samples in _WITH_ALPHA else [],
        "compression": "zlib",
        "compressionargs": {"level": level},
        "predictor": True,
        "software": "asyncrgb",
        "metadata": None,
        "maxworkers": 1,
    }


_WRITERS: Final[Mapping[str, Writer]] = {"jpeg": _jpeg, "webp": _webp, "tiff": _tiff}

"""The header of an EuroSAT chip: classic little-endian TIFF, uncompressed, strips of 4 rows.

Written by hand, because the samples have to keep the exact structure of the real files: the
same tags, their data in the order in which GDAL lays it down, the pixels from byte 748 on.
"""

import struct
from functools import cache

from asyncrgb.sample.landscape import SIZE
from asyncrgb.sample.measured import BANDS

HEADER_BYTES = 748
"""Where the pixels begin."""

_ROWS_PER_STRIP = 4
_STRIPS = SIZE // _ROWS_PER_STRIP
_STRIP_BYTES = _ROWS_PER_STRIP * SIZE * len(BANDS) * 2
_SAMPLES = len(BANDS)

# of the pixel scale, and of easting and northing in the tie point
_SCALE_OFFSET = 582
_CORNER_OFFSET = 582 + 24 + 24

_INLINE_BYTES = 4
_TYPE_CODES = {"B": 2, "H": 3, "I": 4, "d": 12}

# as long as the text in the real files, or the pixels would begin elsewhere
_METADATA = (
    b"<GDALMetadata>\n"
    b'  <Item name="origin">synthetic chip, made by asyncrgb sample</Item>\n'
    b'  <Item name="model">EuroSAT MS</Item>\n'
    b"</GDALMetadata>\n"
).ljust(158, b"\n") + b"\0"

_Tag = tuple[str, tuple[float, ...] | bytes]

Tag = tuple[int, int, int, "tuple[float, ...] | bytes | str", bool]
"""A tag as tifffile takes it: code, type, count, values, and whether for the first page only."""


def header(zone: int, scale: tuple[float, float], corner: tuple[float, float]) -> bytes:
    """Return the 748 bytes before the pixels of a chip.

    ``zone`` is the UTM zone on the northern hemisphere, 1 to 60; ``scale`` the size of a
    pixel (x, y) and ``corner`` the upper left corner (easting, northing), both in metres.
    """
    placed = bytearray(_template(zone))
    struct.pack_into("<2d", placed, _SCALE_OFFSET, *scale)
    struct.pack_into("<2d", placed, _CORNER_OFFSET, *corner)
    return bytes(placed)


@cache
def _template(zone: int) -> bytes:
    """Return a header with its scale and corner still zero."""
    tags = _pixel_tags() | _geo_tags(zone)
    end_of_ifd = 8 + 2 + 12 * len(tags) + 4
    entries, data = {}, b""
    for number, (kind, values) in tags.items():
        packed = struct.pack(f"<{len(values)}{kind}", *values)
        if len(packed) > _INLINE_BYTES:
            place = struct.pack("<I", end_of_ifd + len(data))
            data += packed + bytes(len(packed) % 2)
        else:
            place = packed.ljust(_INLINE_BYTES, b"\0")
        entries[number] = struct.pack("<HHI", number, _TYPE_CODES[kind], len(values)) + place
    ifd = b"".join(entries[number] for number in sorted(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + ifd + bytes(4) + data


def _pixel_tags() -> dict[int, _Tag]:
    offsets = range(HEADER_BYTES, HEADER_BYTES + _STRIPS * _STRIP_BYTES, _STRIP_BYTES)
    return {
        256: ("H", (SIZE,)),  # ImageWidth
        257: ("H", (SIZE,)),  # ImageLength
        258: ("H", (16,) * _SAMPLES),  # BitsPerSample
        259: ("H", (1,)),  # Compression: none
        262: ("H", (1,)),  # PhotometricInterpretation: black is zero
        277: ("H", (_SAMPLES,)),  # SamplesPerPixel
        278: ("H", (_ROWS_PER_STRIP,)),  # RowsPerStrip
        279: ("I", (_STRIP_BYTES,) * _STRIPS),  # StripByteCounts
        273: ("I", tuple(offsets)),  # StripOffsets
        284: ("H", (1,)),  # PlanarConfiguration: chunky
        338: ("H", (0,) * (_SAMPLES - 1)),  # ExtraSamples: unspecified
        339: ("H", (1,) * _SAMPLES),  # SampleFormat: unsigned integer
        42112: ("B", _METADATA),  # GDAL_METADATA
    }


def place_tags(zone: int, scale: tuple[float, float], corner: tuple[float, float]) -> list[Tag]:
    """Return what tells the place of a scene, and its origin; arguments as of ``header``."""
    tags = _geo_tags(zone) | {
        33550: ("d", (*scale, 0.0)),
        33922: ("d", (0.0, 0.0, 0.0, *corner, 0.0)),
        42112: ("B", _METADATA.replace(b"chip,", b"scene,")),
    }
    return [
        (number, _TYPE_CODES[kind], len(values), values, True)
        for number, (kind, values) in sorted(tags.items())
    ]


def _geo_tags(zone: int) -> dict[int, _Tag]:
    name = f"WGS 84 / UTM zone {zone:02}N|".encode()
    keys = (
        (1, 1, 0, 7),  # version 1.1.0 with 7 keys
        (1024, 0, 1, 1),  # GTModelType: projected
        (1025, 0, 1, 1),  # GTRasterType: pixel is area
        (1026, 34737, len(name), 0),  # GTCitation
        (2049, 34737, 7, len(name)),  # GeogCitation
        (2054, 0, 1, 9102),  # GeogAngularUnits: degree
        (3072, 0, 1, 32600 + zone),  # ProjectedCSType: EPSG code
        (3076, 0, 1, 9001),  # ProjLinearUnits: metre
    )
    return {
        33550: ("d", (0.0,) * 3),  # ModelPixelScale
        33922: ("d", (0.0,) * 6),  # ModelTiepoint
        34735: ("H", tuple(number for key in keys for number in key)),  # GeoKeyDirectory
        34737: ("B", name + b"WGS 84|\0"),  # GeoAsciiParams
    }

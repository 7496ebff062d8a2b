"""The look at the first directory: it finds what tifffile would read, or it says None.

What is found in one piece is viewed here, what lies in segments is read by way of ``tiff``.
"""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
import tifffile
from hypothesis import assume, example, given
from hypothesis import strategies as st

from asyncrgb.errors import AsyncRgbError, DecodeError
from asyncrgb.imaging.reading import layout, tiff
from asyncrgb.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Write = Callable[..., bytes]

DTYPES: Final = ("u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8")
SMALL: Final = np.arange(7 * 5 * 3, dtype="u2").reshape(7, 5, 3) * 257
DIRECTORY: Final = 10  # where the entries of a handmade file begin
ENTRY: Final = 12


def random_pixels(shape: tuple[int, ...], dtype: str, seed: int) -> NDArray[Any]:
    """Fill an array with any bits: every value that ``dtype`` has, NaN and infinities too."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(seed).bytes(count), dtype).reshape(shape)


pictures = st.builds(
    random_pixels,
    st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(1, 6)),
    st.sampled_from(DTYPES),
    st.integers(0, 2**32 - 1),
)


def viewed(data: bytes) -> NDArray[Any]:
    found = layout.find(memoryview(data))
    assert found is not None
    assert found.start is not None
    height, width, bands, dtype, *_ = found.form
    assert found.size == height * width * bands * dtype.itemsize
    return np.ndarray((height, width, bands), dtype, data, found.start)


def segmented(data: bytes) -> NDArray[Any]:
    """Read what the look found to lie in segments."""
    found = layout.find(memoryview(data))
    assert found is not None
    assert found.start is None
    return read(data)


def read(data: bytes, bands: Sequence[int] = ()) -> NDArray[Any]:
    image = tiff.find_image(memoryview(data), Limits())
    return image.read(bands or range(1, image.form.bands + 1))


def by_tifffile(data: bytes) -> NDArray[Any]:
    """Read the first page as (height, width, bands), whichever way its bands lie."""
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = tif.pages.first
        if page.compression == 1:
            page.predictor = 1  # so says libtiff; the versions of tifffile differ
        planes = np.asarray(page.asarray(squeeze=False))[:, 0]
        return np.concatenate(list(planes), axis=-1)


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    alike = left.shape == right.shape and left.dtype.newbyteorder("=") == right.dtype
    return alike and left.astype(right.dtype).tobytes() == right.tobytes()


@given(pixels=pictures, order=st.sampled_from("<>"), rows=st.integers(1, 24))
def test_finds_the_pixels_of_all_plain_files(
    write_tiff: Write, pixels: NDArray[Any], order: str, rows: int
) -> None:
    data = write_tiff(pixels, byteorder=order, rowsperstrip=rows)

    assert same(viewed(data), pixels)
    assert same(viewed(data), by_tifffile(data))


@given(
    pixels=pictures,
    order=st.sampled_from("<>"),
    rows=st.integers(1, 20),
    offset_type=st.sampled_from("HI"),
)
def test_finds_the_pixels_of_handmade_files(
    handmade_tiff: Write, pixels: NDArray[Any], order: str, rows: int, offset_type: str
) -> None:
    data = handmade_tiff(pixels, order=order, rows=rows, offset_type=offset_type)

    assert same(viewed(data), pixels)
    assert same(by_tifffile(data), pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"rows": 2, "offset_type": "H"}, id="short strip arrays"),
        pytest.param({"offset_type": "H"}, id="a single short strip, held by its entry"),
        pytest.param({"tags": {278: None}}, id="no RowsPerStrip"),
        pytest.param({"tags": {278: ("I", [2**32 - 1])}}, id="RowsPerStrip without limit"),
        pytest.param({"gap": 1, "tags": {279: ("I", [211])}}, id="a strip longer than its rows"),
        pytest.param({"tags": {339: None}}, id="no SampleFormat"),
        pytest.param({"tags": {339: ("H", [1])}}, id="one SampleFormat for all bands"),
        pytest.param({"tags": {284: None}}, id="no PlanarConfiguration"),
        pytest.param({"tags": {259: None}}, id="no Compression"),
        pytest.param({"tags": {262: ("H", [0])}}, id="white is zero"),
        pytest.param({"tags": {262: ("H", [2])}}, id="RGB"),
        pytest.param({"tags": {256: ("I", [5]), 257: ("I", [7])}}, id="long width and length"),
        pytest.param({"tags": {254: ("I", [0]), 317: ("H", [1])}}, id="defaults written out"),
        pytest.param({"tags": {42113: ("A", b"-9999\0")}}, id="a tag of GDAL"),
    ],
)
def test_finds_the_pixels_however_plain_is_said(
    handmade_tiff: Write, changes: dict[str, Any], order: str
) -> None:
    data = handmade_tiff(SMALL, order=order, **changes)

    assert same(viewed(data), SMALL)
    assert same(by_tifffile(data), SMALL)


def test_bytes_are_numbers_too(handmade_tiff: Write) -> None:
    """TIFF 6.0 asks readers for this; tifffile takes them for text."""
    data = handmade_tiff(SMALL, tags={256: ("B", [5]), 257: ("B", [7])})

    assert same(viewed(data), SMALL)


def test_one_band_needs_no_samples_per_pixel(handmade_tiff: Write) -> None:
    data = handmade_tiff(SMALL[..., :1], tags={277: None})

    assert same(viewed(data), SMALL[..., :1])


def test_finds_the_pixels_of_the_real_chips(eurosat_chips: tuple[bytes, ...]) -> None:
    for data in eurosat_chips:
        found = layout.find(memoryview(data))
        assert found is not None
        assert found.form[:4] == (64, 64, 13, np.dtype("<u2"))
        assert found.form[4:] == (16, "grey", None, None)
        assert found.coding == layout.Coding(
            planar=False, rows=4, columns=64, tiled=False, compression=1, predictor=1
        )
        assert (found.start, found.size) == (748, 106_496)
        assert found.counts == (6656,) * 16
        assert same(viewed(data), by_tifffile(data))


PLANES: Final = np.moveaxis(SMALL, -1, 0)


@given(
    pixels=pictures,
    order=st.sampled_from("<>"),
    codec=st.sampled_from([1, "lzw", "zlib", "deflate", "packbits", "lzma", "zstd"]),
    cut=st.sampled_from([{"tile": (16, 32)}, {"rowsperstrip": 3}, {"rowsperstrip": 20}]),
    planar=st.booleans(),
    predicted=st.booleans(),
    data=st.data(),
)
def test_finds_the_segments_of_all_ordinary_files(  # noqa: PLR0913 - each is one property
    *,
    write_tiff: Write,
    pixels: NDArray[Any],
    order: str,
    codec: int | str,
    cut: dict[str, Any],
    planar: bool,
    predicted: bool,
    data: st.DataObject,
) -> None:
    predictor = (3 if pixels.dtype.kind == "f" else 2) if predicted else 1
    options = {"byteorder": order, "compression": codec, **cut}
    if codec in ("lzw", "zlib", "deflate", "zstd"):
        options["predictor"] = predictor
    planes = {"planarconfig": "separate"} if planar and min(pixels.shape) > 1 else {}
    file = write_tiff(np.moveaxis(pixels, -1, 0) if planes else pixels, **options, **planes)
    bands = data.draw(st.lists(st.integers(1, pixels.shape[-1]), min_size=1, max_size=4))

    assert layout.find(memoryview(file)) is not None
    assert same(read(file), pixels)
    assert same(read(file), by_tifffile(file))
    assert same(read(file, bands), pixels[..., [band - 1 for band in bands]])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"rows": 2, "gap": 2}, id="gaps between strips"),
        pytest.param({"rows": 2, "upside_down": True}, id="last strip first"),
        pytest.param({"rows": 4, "gap": 30, "tags": {279: ("I", [150, 120])}}, id="padded strips"),
    ],
)
def test_finds_strips_that_are_not_in_one_piece(
    handmade_tiff: Write, changes: dict[str, Any], order: str
) -> None:
    data = handmade_tiff(SMALL, order=order, **changes)

    assert same(segmented(data), SMALL)
    assert same(by_tifffile(data), SMALL)


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        pytest.param(SMALL, {"bigtiff": True}, id="BigTIFF"),
        pytest.param(SMALL, {"subfiletype": 1}, id="a reduced image"),
        pytest.param(PLANES[:2], {"planarconfig": None}, id="two pages"),
        pytest.param(SMALL.astype("u1"), {"compression": "jpeg"}, id="JPEG"),
        pytest.param(SMALL.astype("u8"), {"compression": "zlib"}, id="integers of 64 bits"),
        pytest.param(
            SMALL[..., 0].astype("u1"),
            {"photometric": "palette", "colormap": np.zeros((3, 256), "u2")},
            id="palette",
        ),
    ],
)
def test_leaves_to_tifffile_what_is_no_ordinary_image(
    write_tiff: Write, pixels: NDArray[Any], options: dict[str, Any]
) -> None:
    data = write_tiff(pixels, **options)

    assert layout.find(memoryview(data)) is None
    first = by_tifffile(data)
    assert same(read(data)[..., : first.shape[-1]], first)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"tags": {254: ("I", [1])}}, id="a reduced image"),
        pytest.param({"tags": {262: None}}, id="no PhotometricInterpretation"),
        pytest.param({"tags": {258: ("H", [16])}}, id="one BitsPerSample for all bands"),
        pytest.param({"tags": {266: ("H", [2])}}, id="bits in reverse order"),
        pytest.param({"tags": {32997: ("I", [1])}}, id="a volume of one layer"),
    ],
)
def test_leaves_to_tifffile_what_is_out_of_the_ordinary(
    handmade_tiff: Write, changes: dict[str, Any], order: str
) -> None:
    data = handmade_tiff(SMALL, order=order, **changes)

    assert layout.find(memoryview(data)) is None
    assert same(read(data), by_tifffile(data))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"next_directory": 8}, "loop"),
        ({"tags": {279: ("I", [209])}}, "reshaped"),
    ],
)
def test_what_contradicts_itself_is_refused(
    handmade_tiff: Write, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DecodeError, match=message):
        read(handmade_tiff(SMALL, **changes))


@pytest.mark.parametrize(
    ("text", "nodata"),
    [
        (b"-9999\0", -9999),
        (b"0", 0),
        (b" 1.5e3 \0rest", 1500),
        (b"-inf\0", -np.inf),
        (b"\0", None),
        (b"none\0", None),
    ],
)
def test_finds_what_stands_for_no_data(
    handmade_tiff: Write, text: bytes, nodata: float | None
) -> None:
    found = layout.find(memoryview(handmade_tiff(SMALL, tags={42113: ("A", text)})))

    assert found is not None
    assert found.form.nodata == nodata


def test_no_data_may_be_no_number(handmade_tiff: Write) -> None:
    found = layout.find(memoryview(handmade_tiff(SMALL, tags={42113: ("A", b"nan\0")})))

    assert found is not None
    assert found.form.nodata is not None
    assert np.isnan(found.form.nodata)


@pytest.mark.parametrize(
    ("extra", "alpha"),
    [
        *[([], None), ([0], None), ([2], 3), ([1], 3), ([0, 2], 3), ([2, 0], 2), ([0, 0, 0], None)],
        *[([1, 0, 0, 0, 0, 0], None), ([1, 0, 0, 0, 2], 3)],  # more than there are bands
    ],
)
def test_finds_the_band_of_transparency(
    handmade_tiff: Write, extra: list[int], alpha: int | None
) -> None:
    tags = {338: ("H", extra) if extra else None}
    found = layout.find(memoryview(handmade_tiff(SMALL, tags=tags)))

    assert found is not None
    assert found.form.alpha == alpha


@pytest.mark.parametrize(("value", "colours"), [(0, "inverted"), (1, "grey"), (2, "rgb")])
def test_says_what_the_bands_show(handmade_tiff: Write, value: int, colours: str) -> None:
    data = handmade_tiff(SMALL, tags={262: ("H", [value])})
    found = layout.find(memoryview(data))

    assert found is not None
    assert found.form.colours == colours


def test_a_predictor_without_compression_means_nothing(handmade_tiff: Write) -> None:
    """So says libtiff; the versions of tifffile differ."""
    data = handmade_tiff(SMALL, tags={317: ("H", [2])})

    assert layout.find(memoryview(data)) is not None
    assert same(read(data), SMALL)


@pytest.mark.parametrize("tag", [258, 339])
@pytest.mark.parametrize("values", [(16, 16, 8), (1, 2, 1), (1, 1, 3)])
def test_bands_of_several_kinds_are_refused(
    handmade_tiff: Write, tag: int, values: tuple[int, ...]
) -> None:
    data = handmade_tiff(SMALL, tags={tag: ("H", values)})

    assert layout.find(memoryview(data)) is None
    with pytest.raises(DecodeError):
        read(data)


def test_trusts_no_directory_that_says_a_thing_twice(handmade_tiff: Write) -> None:
    """TIFF readers take the first of two equal tags, some the last."""
    signed = handmade_tiff(SMALL[..., :1] * 3, tags={284: ("H", [2])})
    data = signed.replace(struct.pack("<HHI", 284, 3, 1), struct.pack("<HHI", 339, 3, 1))

    assert layout.find(memoryview(data)) is None
    assert same(read(data), by_tifffile(data))


@pytest.mark.parametrize("tag", [256, 257, 259, 262, 277, 278, 284])
@pytest.mark.parametrize("count", [0, 3])
def test_a_single_value_has_a_count_of_one(handmade_tiff: Write, tag: int, count: int) -> None:
    data = handmade_tiff(SMALL).replace(
        struct.pack("<HHI", tag, 3, 1), struct.pack("<HHI", tag, 3, count)
    )

    assert layout.find(memoryview(data)) is None


@pytest.mark.parametrize("tag", [258, 273, 279, 339])
def test_an_array_has_values(handmade_tiff: Write, tag: int) -> None:
    data = handmade_tiff(SMALL, tags={tag: ("H", [])})

    assert layout.find(memoryview(data)) is None


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({277: ("I", [2**24]), 339: None}, id="bands"),
        pytest.param({257: ("I", [2**24]), 278: ("I", [1])}, id="strips"),
        pytest.param({256: ("I", [2**24])}, id="columns"),
    ],
)
def test_believes_no_number_before_it_is_checked(
    handmade_tiff: Write, tags: dict[int, Any]
) -> None:
    data = memoryview(handmade_tiff(SMALL, tags=tags))

    tracemalloc.start()
    try:
        layout.find(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


words = st.sampled_from([0, 1, 2, 3, 4, 5, 8, 16, 255, 65_535]) | st.integers(0, 65_535)
longs = st.sampled_from([0, 1, 2, 3, 4, 2**16, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
known = st.sampled_from([254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 339])
types = st.integers(0, 17).filter(lambda kind: kind != 1)  # tifffile takes BYTE for text
edits = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 10), st.just("H"), st.just(0), known | words),
        st.tuples(st.integers(0, 10), st.just("H"), st.just(2), types),
        st.tuples(st.integers(0, 10), st.just("I"), st.just(4), longs),
        st.tuples(st.integers(0, 10), st.just("H"), st.just(8), words),
        st.tuples(st.integers(0, 10), st.just("I"), st.just(8), longs),
    ),
    min_size=1,
    max_size=4,
)


def has_numbers_in_its_head(data: bytearray, order: str, directory: int) -> bool:
    """Tell whether an array begins before byte 8: tifffile then does without, GDAL reads it."""
    (count,) = struct.unpack_from(order + "H", data, directory - 2)
    entries = struct.iter_unpack(order + "HHII", data[directory : directory + ENTRY * count])
    sizes = {3: 2, 4: 4, 13: 4, 16: 8, 17: 8}
    return any(number * sizes.get(kind, 1) > 4 and start < 8 for _, kind, number, start in entries)


@given(edits=edits, order=st.sampled_from("<>"), rows=st.sampled_from([2, 7]))
@example(edits=[(8, "H", 8, 1)], order="<", rows=2)  # numbers in the head of the file
def test_whatever_a_directory_says_it_never_disagrees_with_tifffile(
    handmade_tiff: Write, edits: list[tuple[int, str, int, int]], order: str, rows: int
) -> None:
    damaged = bytearray(handmade_tiff(SMALL, order=order, rows=rows))
    for entry, kind, at, value in edits:
        struct.pack_into(order + kind, damaged, DIRECTORY + ENTRY * entry + at, value)
    assume(not has_numbers_in_its_head(damaged, order, DIRECTORY))

    found = layout.find(memoryview(damaged))

    if found is not None and found.start is not None and found.start + found.size <= len(damaged):
        assert same(viewed(bytes(damaged)), by_tifffile(bytes(damaged)))


@pytest.fixture(scope="session")
def segmented_files(write_tiff: Write) -> list[bytes]:
    """Give files in segments of several kinds, all of SMALL."""
    coded = ({"compression": "lzw"}, {"compression": "zlib", "predictor": 2}, {"tile": (16, 16)})
    planes = {"planarconfig": "separate", "rowsperstrip": 3}
    chunky = [write_tiff(SMALL, rowsperstrip=3, software=False, **each) for each in coded[:2]]
    return [
        *chunky,
        write_tiff(SMALL, software=False, **coded[2]),
        *(write_tiff(PLANES, software=False, **planes, **each) for each in coded[:2]),
    ]


@given(edits=edits, which=st.integers(0, 4))
@example(edits=[(3, "H", 0, 0)], which=4)  # a predictor, and no compression
def test_segments_are_what_tifffile_takes_them_for(
    segmented_files: list[bytes], edits: list[tuple[int, str, int, int]], which: int
) -> None:
    damaged = bytearray(segmented_files[which])
    (start,) = struct.unpack_from("<I", damaged, 4)
    for entry, kind, at, value in edits:
        struct.pack_into("<" + kind, damaged, start + 2 + ENTRY * entry + at, value)
    assume(not has_numbers_in_its_head(damaged, "<", start + 2))

    found = layout.find(memoryview(damaged))

    # A segment that begins where the file does is none for tifffile; GDAL reads it.
    if found is not None and found.start is None and all(found.counts) and all(found.offsets):
        try:
            pixels = read(bytes(damaged))
        except AsyncRgbError:
            return
        assert same(pixels, by_tifffile(bytes(damaged)))


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x08\0\0\0")
def test_any_bytes_have_an_answer(handmade_tiff: Write, tail: bytes) -> None:
    start = handmade_tiff(SMALL)[:4]

    for data in (tail, start + tail, start + struct.pack("<I", 8) + tail):
        found = layout.find(memoryview(data))
        assert found is None or found.size > 0

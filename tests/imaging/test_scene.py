"""Scenes: drawn part by part they have the pixels of the whole image, and little is read twice."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncrgb import render
from asyncrgb.errors import AsyncRgbError, DecodeError, EncodeError, LimitError, OptionsError
from asyncrgb.imaging import cutting, scene, subject
from asyncrgb.imaging.measuring import measure
from asyncrgb.imaging.reading import decoders
from asyncrgb.imaging.reading.georeference import Georeference
from asyncrgb.imaging.reading.levels import Level
from asyncrgb.imaging.reading.sparse import Absent, Sparse
from asyncrgb.imaging.statistics import Statistics
from asyncrgb.imaging.writing import joining
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.stretches import FixedStretch, PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from asyncrgb.imaging.parts import Drawn, Part, Plan

    Write = Callable[..., bytes]

LIMITS: Final = Limits()
ROOM: Final = 2**24
TRUE: Final = RenderOptions(bands=(3, 2, 1))


def planned(
    data: bytes,
    options: RenderOptions = TRUE,
    room: int = ROOM,
    limits: Limits = LIMITS,
    first: int = 2**16,
) -> tuple[Plan, int]:
    """Plan as who reads a file does; gives the plan, and the number of rounds."""
    known = [(0, data[:first])]
    while len(known) < 100:
        try:
            plan = scene.plan(Sparse(len(data), known), options, limits, room)
        except Absent as absent:
            known.append((absent.start, data[absent.start : absent.start + absent.size]))
        else:
            return plan, len(known)
    raise AssertionError("the header is never complete")


def ranges_of(data: bytes, plan: Plan, part: Part | None = None) -> Sparse:
    """Give the file as a worker sees it: the header, and what was read for a part."""
    view = memoryview(bytearray(data))
    ranges = () if part is None else part.ranges
    return Sparse(len(data), [*plan.header, *((at, view[at : at + size]) for at, size in ranges)])


def converted(
    data: bytes, options: RenderOptions = TRUE, room: int = ROOM, limits: Limits = LIMITS
) -> bytes:
    """Convert a scene as the pipeline does, part by part."""
    plan, _ = planned(data, options, room, limits)
    if plan.counted:
        statistics = Statistics()
        for part in plan.parts:
            scene.count(ranges_of(data, plan, part), part, options, limits, statistics)
        assert isinstance(options.stretch, PercentileStretch)
        options = replace(options, stretch=statistics.stretch(options.stretch))
    pieces = [scene.draw(ranges_of(data, plan, part), part, options, limits) for part in plan.parts]
    for (piece, *_), part in zip(pieces, plan.parts, strict=True):
        assert max(len(piece), sum(size for _, size in part.ranges)) <= max(part.room, room)
    if not plan.canvas:
        return joined(plan, pieces)
    canvas = bytearray(b"".join(each.piece for each in pieces))
    assert len(canvas) == plan.canvas
    return scene.finish(ranges_of(data, plan), memoryview(canvas), options, limits).file


def joined(plan: Plan, pieces: list[Drawn]) -> bytes:
    assert plan.join is not None
    joiner = joining.joiner(plan.join)
    file = bytearray(joiner.begin())
    for piece, note, _ in pieces:
        assert note is not None
        file += joiner.add(note, len(piece)) + piece
    tail, patches = joiner.end()
    file += tail
    for at, patch in patches:
        file[at : at + len(patch)] = patch
    return bytes(file)


def decoded(file: bytes) -> NDArray[Any]:
    """Read a picture with libraries that know nothing of us."""
    if file[:4] == b"\x89PNG":
        return np.asarray(imagecodecs.png_decode(file))
    if file[:2] == b"\xff\xd8":
        return np.asarray(imagecodecs.jpeg8_decode(file))
    if file[:4] == b"RIFF":
        return np.asarray(imagecodecs.webp_decode(file))
    with tifffile.TiffFile(io.BytesIO(file)) as tif:
        return tif.pages.first.asarray(squeeze=False)


def small_parts(patch: pytest.MonkeyPatch, pixels: int) -> None:
    for module, name in ((cutting, "_PIXELS"), (cutting, "_MANY_PIXELS"), (subject, "_PIXELS")):
        patch.setattr(module, name, pixels)


@pytest.fixture
def many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let parts be as small as segments allow."""
    small_parts(monkeypatch, 1)


# Any image in any parts.


class Case(NamedTuple):
    """An image, and how it is cut and stored."""

    shape: tuple[int, int, int]
    dtype: str
    seed: int
    order: str
    big: bool
    planar: bool
    codec: str | None
    predictor: bool
    cut: dict[str, Any]
    nodata: str | None
    extra: int | None  # kind of the last sample
    mask: int  # rows of its strips; 0: there is none


CASES: Final = st.builds(
    Case,
    shape=st.tuples(st.integers(1, 90), st.integers(1, 70), st.sampled_from([1, 3, 4, 5, 13])),
    dtype=st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]),
    seed=st.integers(0, 99),
    order=st.sampled_from("<>"),
    big=st.booleans(),
    planar=st.booleans(),
    codec=st.sampled_from([None, None, "zlib", "lzw", "zstd", "packbits"]),
    predictor=st.booleans(),
    cut=st.sampled_from([{"tile": (16, 32)}, {"tile": (32, 16)}])
    | st.fixed_dictionaries({"rowsperstrip": st.integers(1, 90)}),
    nodata=st.sampled_from([None, "0", "13", "nan"]),
    extra=st.sampled_from([None, 0, 1, 2]),
    mask=st.sampled_from([0, 0, 1, 7, 90]),
)


def pixels_of(case: Case) -> NDArray[Any]:
    rng = np.random.default_rng(case.seed)
    pixels: NDArray[Any] = rng.integers(0, 9, case.shape).cumsum(axis=1) * 13 % 5000
    return pixels.astype(case.dtype)


def written(case: Case) -> bytes:
    """Write an image as tifffile does."""
    pixels, (height, width, count) = pixels_of(case), case.shape
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": None}
    options |= {"compression": case.codec, **case.cut}
    if case.codec in ("zlib", "lzw", "zstd") and case.predictor:
        options["predictor"] = 3 if case.dtype[0] == "f" else 2
    if case.nodata is not None:
        options["extratags"] = [(42113, "s", 0, case.nodata, True)]
    if count == 1:
        pixels = pixels[..., 0]
    else:
        options["planarconfig"] = "separate" if case.planar else "contig"
        pixels = np.moveaxis(pixels, -1, 0) if case.planar else pixels
        if case.extra is not None:
            options["extrasamples"] = [0] * (count - 2) + [case.extra]
    file, order = io.BytesIO(), cast("Literal['<', '>']", case.order)
    with tifffile.TiffWriter(file, byteorder=order, bigtiff=case.big) as writer:
        writer.write(pixels, **options)
        if case.mask:
            mask = np.random.default_rng(case.seed).integers(0, 2, (height, width)).astype(bool)
            writer.write(mask, subfiletype=4, rowsperstrip=case.mask, compression="zlib")
    return file.getvalue()


PERCENTILES: Final = st.builds(
    PercentileStretch, st.just(2), st.sampled_from([50, 98]), joint=st.booleans()
)
EACH: Final = FixedStretch((0, 9, 1), (50, 99, 500))


def ways(bands: list[Any], stretches: list[Any]) -> st.SearchStrategy[RenderOptions]:
    return st.builds(
        RenderOptions,
        bands=st.sampled_from(bands),
        stretch=st.sampled_from([None, FixedStretch(0, 700), *stretches]) | PERCENTILES,
        gamma=st.sampled_from([1.0, 1.7]),
        nodata=st.sampled_from(["auto", "none", 26.0]),
        alpha=st.booleans(),
        format=st.sampled_from(["png", "tiff"]),
        bit_depth=st.sampled_from([8, 16]),
        compress_level=st.sampled_from([0, 1, 2, 6]),
    )


WAYS: Final = ways([(3, 2, 1), (1, 1, 3), (4, 3, 2), (13, 1, 7)], [EACH]) | ways([None, (1,)], [])


def attempt(convert: Callable[[], bytes]) -> bytes | str:
    try:
        return convert()
    except AsyncRgbError as error:
        return type(error).__name__


@settings(max_examples=200)
@given(
    case=CASES,
    options=WAYS,
    room=st.sampled_from([2**17, 2**20, 2**24]),
    pixels=st.sampled_from([1, 400, 2**20]),
)
def test_parts_have_the_pixels_of_the_whole(
    case: Case, options: RenderOptions, room: int, pixels: int
) -> None:
    data = written(case)
    expected = attempt(lambda: render(data, options))
    with pytest.MonkeyPatch.context() as patch:
        small_parts(patch, pixels)
        found = attempt(lambda: converted(data, options, room))

    if isinstance(expected, str) or isinstance(found, str):
        assert found == expected or (found == "LimitError" and room == 2**17)
    else:
        # histograms give percentiles of floats, and of wide integers, only nearly
        wide = case.dtype[0] == "f" or case.dtype[1] == "4"
        nearly = wide and isinstance(options.stretch, PercentileStretch)
        assert nearly or np.array_equal(decoded(found), decoded(expected))


# What is read, and how often.

WIDE: Final = np.random.default_rng(5).integers(0, 4000, (600, 500, 13)).astype("u2")


def tiled(pixels: NDArray[Any], *, planar: bool, **options: Any) -> bytes:  # noqa: ANN401
    coded = {"photometric": "minisblack", "metadata": None, "tile": (64, 64), **options}
    coded["planarconfig"] = "separate" if planar else "contig"
    file = io.BytesIO()
    tifffile.imwrite(file, np.moveaxis(pixels, -1, 0) if planar else pixels, **coded)
    return file.getvalue()


def read_of(plan: Plan) -> int:
    return sum(size for part in plan.parts for _, size in part.ranges)


@pytest.mark.parametrize("cut", [{}, {"tile": None, "rowsperstrip": 7}, {"compression": "zlib"}])
def test_only_the_planes_that_are_shown_are_read(cut: dict[str, Any]) -> None:
    data = tiled(WIDE, planar=True, **cut)
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        counts = tif.pages.first.databytecounts
    planes = sum(counts[: len(counts) // 13 * 4]) - sum(counts[: len(counts) // 13])
    plan, _ = planned(data, RenderOptions(bands=(4, 3, 2)))

    assert 0.9 * planes < read_of(plan) <= 1.05 * planes  # rows that fill up tiles are not read


def test_only_the_planes_of_a_real_scene_are_read(data_folder: Path) -> None:
    path = data_folder / "scenes" / "s2_l1c_13band_1947x1933_planar_tiled_deflate.tif"
    data, options = path.read_bytes(), RenderOptions(bands=(12, 9, 11))
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        counts = np.reshape(tif.pages.first.databytecounts, (13, -1)).sum(axis=1)
    plan, rounds = planned(data, options, room=2**22)

    assert read_of(plan) + sum(len(body) for _, body in plan.header) <= 1.05 * sum(
        counts[[11, 8, 10]]
    )
    assert rounds == 1
    assert len(plan.parts) > 2
    np.testing.assert_array_equal(
        decoded(converted(data, options, room=2**22)), decoded(render(data, options))
    )


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_each_segment_is_decoded_once(
    planar: bool, alpha: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = WIDE[..., :4]
    tags = {"extrasamples": [0, 0, 2], "compression": "zlib", "predictor": 2}
    data, decoder = tiled(pixels + alpha, planar=planar, **tags), decoders.of_page
    decodings: list[int] = []

    def counting(*args: Any) -> Any:  # noqa: ANN401
        decode = decoder(*args)

        def each(body: memoryview | None, index: int) -> Any:  # noqa: ANN401
            decodings.append(index)
            return decode(body, index)

        return each

    monkeypatch.setattr(decoders, "of_page", counting)
    small_parts(monkeypatch, 1)
    converted(data, RenderOptions(bands=(3, 2, 1), alpha=alpha))

    assert len(decodings) == 10 * 8 * ((3 + alpha) if planar else 1)
    assert len(set(decodings)) == len(decodings)


def test_a_header_is_parsed_once_for_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiled(WIDE, planar=False, compression="zstd")
    small_parts(monkeypatch, 1)
    plan, _ = planned(data)
    opened = decoders.opened
    openings = []

    def counting(file: Any) -> Any:  # noqa: ANN401
        openings.append(file)
        return opened(file)

    monkeypatch.setattr(decoders, "opened", counting)
    for part in plan.parts:
        scene.draw(ranges_of(data, plan, part), part, TRUE, LIMITS)

    assert len(plan.parts) == 10
    assert len(openings) == 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("upside_down", [False, True])
def test_a_strip_as_tall_as_the_image_is_read_by_rows(
    handmade_tiff: Write, order: str, upside_down: bool
) -> None:
    pixels = np.random.default_rng(1).integers(0, 4000, (3000, 40, 13)).astype("u2")
    rows = 1500 if upside_down else 3000
    data = handmade_tiff(pixels, order=order, rows=rows, upside_down=upside_down, gap=5)
    plan, _ = planned(data, room=2**18)

    assert len(plan.parts) > 10
    assert read_of(plan) <= 1.01 * pixels.nbytes
    assert max(sum(size for _, size in part.ranges) for part in plan.parts) <= 2**18
    np.testing.assert_array_equal(decoded(converted(data, room=2**18)), decoded(render(data, TRUE)))


@pytest.mark.parametrize("codec", ["zlib", "lzw", "zstd"])
def test_a_compressed_strip_that_does_not_fit_is_refused_with_a_remedy(codec: str) -> None:
    data = tiled(WIDE, planar=False, tile=None, rowsperstrip=600, compression=codec)

    with pytest.raises(LimitError, match=r"--memory.*gdal_translate -co TILED=YES"):
        planned(data, room=2**20)
    assert converted(data, room=2**24)[:4] == b"\x89PNG"


def test_rows_that_do_not_fit_are_refused() -> None:
    data = tiled(np.zeros((2, 90_000, 3), "u1"), planar=False, tile=None, rowsperstrip=1)

    with pytest.raises(LimitError, match="rows 0 to 1 take 270000 bytes of the file"):
        planned(data, room=2**18)


def test_tiles_of_a_tiff_are_lower_where_others_do_not_fit() -> None:
    options = replace(TRUE, format="tiff")
    data = tiled(WIDE, planar=True)
    found = converted(data, options, room=2**17 + 2**16)

    with tifffile.TiffFile(io.BytesIO(found)) as tif:
        assert tif.pages.first.tilelength < 256
    np.testing.assert_array_equal(decoded(found), decoded(render(data, options)))


# Overviews, and smaller pictures.


@pytest.fixture(scope="module")
def cog() -> bytes:
    """Give a cloud optimized GeoTIFF, made by GDAL: 2000 x 1500, with overviews to 250 x 188."""
    rasterio = pytest.importorskip("rasterio", reason="the writer of it is not installed")
    steps = np.random.default_rng(2).normal(0, 60, (3, 2000, 1500)).cumsum(axis=1)
    values = (3000 + steps.cumsum(axis=2) / 40).clip(1, 9000).astype("u2")
    values[:, :300, :200] = 0
    shape = {"height": 2000, "width": 1500, "count": 3, "dtype": "uint16"}
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    options = {"BLOCKSIZE": 128, "COMPRESS": "DEFLATE", "OVERVIEW_RESAMPLING": "AVERAGE"}
    with rasterio.MemoryFile() as file:
        with file.open(driver="COG", nodata=0, **shape, **place, **options) as dataset:
            dataset.write(values)
        return bytes(file.getbuffer())


def test_an_overview_is_shown_as_rasterio_reads_it(cog: bytes) -> None:
    import rasterio  # noqa: PLC0415 - an oracle that may be absent

    shown = RenderOptions(bands=(1, 2, 3), stretch=FixedStretch(0, 65535), bit_depth=16)
    for level in (0, 1, 2):
        options = replace(shown, overview=level)
        with rasterio.MemoryFile(cog) as file, file.open(OVERVIEW_LEVEL=level) as dataset:
            expected = np.moveaxis(dataset.read(), 0, -1)
        np.testing.assert_array_equal(decoded(converted(cog, options, 2**20)), expected)
        np.testing.assert_array_equal(decoded(render(cog, options)), expected)


@pytest.mark.parametrize(
    ("max_size", "level"), [(3000, None), (2000, None), (1999, None), (1000, 0), (999, 0), (500, 1)]
)
def test_with_a_size_the_smallest_overview_that_is_large_enough_is_read(
    cog: bytes, max_size: int, level: int | None
) -> None:
    options = RenderOptions(bands=(1, 2, 3), max_size=max_size)
    overview: Any = "none" if level is None else level
    plan, _ = planned(cog, options)
    named, _ = planned(cog, replace(options, overview=overview))

    assert max(plan.height, plan.width) == min(2000, max_size)
    assert plan == named
    assert converted(cog, options) == converted(cog, replace(options, overview=overview))


def test_of_a_file_with_overviews_little_is_read(cog: bytes) -> None:
    plan, rounds = planned(cog, RenderOptions(max_size=200))

    assert read_of(plan) <= 0.05 * len(cog)
    assert rounds == 1


def test_without_a_size_no_overview_is_taken(cog: bytes) -> None:
    plan, _ = planned(cog)
    assert (plan.height, plan.width) == (2000, 1500)


def test_an_overview_that_is_not_there_is_an_error_that_says_how_many_are(cog: bytes) -> None:
    options = RenderOptions(overview=9)

    with pytest.raises(OptionsError, match="overview 9 was asked for, and the file has 4"):
        planned(cog, options)
    with pytest.raises(OptionsError, match="overview 9 was asked for, and the file has 4"):
        render(cog, options)


def test_overviews_below_the_page_of_the_image_are_found() -> None:
    full, half, quarter = (np.full((64 // k, 96 // k, 3), 40 * k, "u1") for k in (1, 2, 4))
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(full, subifds=2, photometric="rgb")
        writer.write(half, subfiletype=1, photometric="rgb")
        writer.write(quarter, subfiletype=1, photometric="rgb")
    data = file.getvalue()

    for level, expected in enumerate((half, quarter)):
        options = RenderOptions(overview=level)
        np.testing.assert_array_equal(decoded(converted(data, options)), expected)
        np.testing.assert_array_equal(decoded(render(data, options)), expected)


def test_a_copy_that_is_none_is_no_overview() -> None:
    """One larger than the image, of another dtype, with other bands, and a damaged one."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for shape, dtype in (
            ((64, 96, 3), "u1"),
            ((128, 96, 3), "u1"),
            ((32, 48, 3), "u2"),
            ((32, 48, 4), "u1"),
            ((16, 24, 3), "u1"),
        ):
            kind = 1 if writer.filehandle.tell() > 99 else 0
            writer.write(np.zeros(shape, dtype), subfiletype=kind, photometric="rgb")
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        at = tif.pages[4].tags[273].valueoffset  # type: ignore[union-attr] # pages have tags
    data[at : at + 4] = b"\xff\xff\xff\xff"

    assert converted(bytes(data), RenderOptions())[:4] == b"\x89PNG"
    with pytest.raises(OptionsError, match="the file has 0"):
        planned(bytes(data), RenderOptions(overview=0))


@settings(max_examples=100)
@given(
    case=CASES,
    options=WAYS,
    max_size=st.integers(1, 90),
    format=st.sampled_from(["png", "tiff"]),
    pixels=st.sampled_from([1, 400, 2**20]),
)
def test_smaller_pictures_of_scenes_are_those_of_chips(
    case: Case,
    options: RenderOptions,
    max_size: int,
    format: str,  # noqa: A002 - the name of the option
    pixels: int,
) -> None:
    data = written(case)
    options = replace(options, max_size=max_size, format=format)
    expected = attempt(lambda: render(data, options))
    with pytest.MonkeyPatch.context() as patch:
        small_parts(patch, pixels)
        found = attempt(lambda: converted(data, options))

    if max_size < max(case.shape[:2]) or isinstance(expected, str):
        assert found == expected
    else:
        assert not isinstance(found, str)


def test_what_is_made_smaller_is_averaged_over_what_is_data() -> None:
    pixels = np.zeros((6, 4, 3), "u2")
    pixels[:3, :2] = [[[100]], [[0]], [[300]]]
    data = tiled(pixels, planar=False, tile=(16, 16), extratags=[(42113, "s", 0, "0", True)])
    options = RenderOptions(bands=(1, 2, 3), stretch=FixedStretch(0, 255), max_size=2, alpha=True)

    expected = [[[200, 200, 200, 255], [0, 0, 0, 0]]]
    for file in (converted(data, options), render(data, options)):
        assert decoded(file)[:1, :1].tolist() == [expected[0][:1]]
        assert decoded(file).shape == (2, 1, 4)


def test_where_a_smaller_picture_lies_is_what_gdal_says(cog: bytes) -> None:
    import rasterio  # noqa: PLC0415 - an oracle that may be absent

    options = RenderOptions(bands=(1, 2, 3), worldfile=True)
    ways = (
        replace(options, overview=1),
        replace(options, max_size=500),
        replace(options, max_size=125),
        options,
    )
    for way in ways:
        plan, _ = planned(cog, way)
        assert plan.worldfile is not None
        a, d, b, e, x, y = map(float, plan.worldfile.split())
        with rasterio.MemoryFile(cog) as file, file.open() as dataset:
            left, bottom, right, top = dataset.bounds
        assert (a * plan.width, e * plan.height) == (right - left, bottom - top)
        assert (x - a / 2, y - e / 2, b, d) == (left, top, 0, 0)


@pytest.mark.parametrize("point", [False, True])
@pytest.mark.parametrize("matrix", [False, True])
def test_a_smaller_picture_of_a_point_raster_covers_the_same_ground(
    point: bool, matrix: bool
) -> None:
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if point else 1)
    place = Georeference(
        pixel_scale=None if matrix else (10.0, 20.0, 0.0),
        tiepoints=None if matrix else (2.0, 3.0, 0.0, 500.0, 900.0, 0.0),
        transformation=(10.0, 1, 0, 500, 2, -20, 0, 900, 0, 0, 0, 0, 0, 0, 0, 1)
        if matrix
        else None,
        keys=keys,
    )
    for whole, small in ((corner_of(place, 0, 0), (0, 0)), (corner_of(place, 8, 12), (2, 4))):
        assert corner_of(place.scaled(4, 3), *small) == pytest.approx(whole)


def corner_of(place: Georeference, row: float, column: float) -> tuple[float, float]:
    """Give the place of the upper left corner of a pixel."""
    text = place.worldfile()
    assert text is not None
    a, d, b, e, x, y = map(float, text.split())
    column, row = column - 0.5, row - 0.5
    return a * column + b * row + x, d * column + e * row + y


# Formats and files of all kinds.


@pytest.mark.parametrize("format", ["jpeg", "webp"])
@pytest.mark.parametrize("max_size", [None, 77])
def test_other_formats_are_the_files_of_chips(
    format: str,  # noqa: A002 - the name of the option
    max_size: int | None,
) -> None:
    data = tiled(WIDE, planar=True)
    options = replace(TRUE, format=format, max_size=max_size)

    assert converted(data, options, room=2**19) == render(data, options)


def test_a_side_that_the_format_cannot_hold_is_refused_with_a_remedy() -> None:
    data = tiled(np.zeros((20_000, 4, 3), "u1"), planar=False, tile=None, rowsperstrip=9)

    with pytest.raises(EncodeError, match=r"webp cannot hold a side of 20000.*--max-size 16383"):
        planned(data, RenderOptions(format="webp"))
    assert converted(data, RenderOptions(format="webp", max_size=16_383))[:4] == b"RIFF"


def test_a_place_is_copied_to_a_tiff(data_folder: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the oracle is not installed")
    data = (data_folder / "scenes" / "s2_l1c_13band_1024_bigtiff_bigendian_tiled.tif").read_bytes()
    found = converted(data, RenderOptions(bands=(4, 3, 2), format="tiff"), room=2**22)

    places = []
    for each in (data, found):
        with rasterio.MemoryFile(each) as opened, opened.open() as dataset:
            places.append((dataset.transform, dataset.crs, dataset.bounds))
    assert places[0] == places[1]


@pytest.mark.parametrize("max_size", [None, 10, 31])
def test_a_palette_keeps_its_colours(max_size: int | None) -> None:
    indexes = np.random.default_rng(0).integers(0, 256, (40, 30), "u1")
    palette = np.random.default_rng(1).integers(0, 2**16, (3, 256), "u2")
    file = io.BytesIO()
    tifffile.imwrite(file, indexes, photometric="palette", colormap=palette, tile=(16, 16))
    options = RenderOptions(max_size=max_size, alpha=True, nodata=7)
    with pytest.MonkeyPatch.context() as patch:
        small_parts(patch, 1)
        found = decoded(converted(file.getvalue(), options))

    np.testing.assert_array_equal(found, decoded(render(file.getvalue(), options)))
    if max_size is None:
        np.testing.assert_array_equal(found[..., 0], (palette[0] >> 8)[indexes] * (indexes != 7))


@pytest.mark.parametrize("options", [TRUE, replace(TRUE, alpha=True, max_size=9)])
def test_pages_are_bands(options: RenderOptions) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for band in range(4):
            writer.write(WIDE[:50, :40, band], metadata=None, compression="zlib", rowsperstrip=8)

    data = file.getvalue()
    np.testing.assert_array_equal(decoded(converted(data, options)), decoded(render(data, options)))
    plan, _ = planned(data)
    assert read_of(plan) < 0.8 * len(data)


def test_pages_that_are_rows_are_no_scene() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, WIDE[:40, :30, :3], photometric="minisblack", planarconfig=None)
    rows = file.getvalue()

    assert render(rows)
    with pytest.raises(LimitError, match="its pages are the rows of one image"):
        planned(rows)
    assert render(rows, RenderOptions(max_size=10))


def test_values_are_counted_as_those_of_chips_are() -> None:
    data = tiled(WIDE, planar=False, extratags=[(42113, "s", 0, "17", True)])
    for every in (False, True):
        whole, parts = Statistics(), Statistics()
        measure(data, TRUE, LIMITS, whole, every=every)
        file = Sparse(len(data), [(0, data)])
        for part in scene.plan(file, TRUE, LIMITS, 2**18, every=every).parts:
            scene.count(file, part, TRUE, LIMITS, parts, every=every)
        assert parts.bands.keys() == whole.bands.keys()
        assert {n: h.tally for n, h in parts.bands.items()}.keys() == whole.bands.keys()
        assert parts.stretch(PercentileStretch()) == whole.stretch(PercentileStretch())


def test_ranges_may_be_given_instead_of_percentiles() -> None:
    data = tiled(WIDE, planar=False)
    options = replace(TRUE, stretch=PercentileStretch(2, 98))
    plan, _ = planned(data, options)
    ranges = [(0, 100), (5, 3000), (7, 7)]
    pieces = [
        scene.draw(ranges_of(data, plan, part), part, options, LIMITS, ranges)
        for part in plan.parts
    ]
    fixed = replace(options, stretch=FixedStretch((0, 5, 7), (100, 3000, 14)))

    assert plan.counted
    np.testing.assert_array_equal(decoded(joined(plan, pieces)), decoded(render(data, fixed)))


# Damage.


@pytest.mark.parametrize("codec", ["zlib", "zstd"])
def test_a_tile_that_cannot_be_decoded_is_named(codec: str) -> None:
    data = bytearray(tiled(WIDE, planar=False, compression=codec))
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        page = tif.pages.first
        start, size = page.dataoffsets[11], page.databytecounts[11]
    data[start : start + 40] = bytes(40)

    with pytest.raises(
        DecodeError, match=rf"tile 11 \(of 80, bytes {start} to {start + size}\) cannot be decoded"
    ):
        converted(bytes(data))


def test_what_is_not_read_need_not_be_sound() -> None:
    data = bytearray(tiled(WIDE, planar=True, compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(data)) as tif:
        start = tif.pages.first.dataoffsets[80 * 5]
    data[start:] = bytes(len(data) - start)

    assert converted(bytes(data))


def test_a_part_without_its_ranges_says_what_is_absent() -> None:
    data = tiled(WIDE, planar=False, compression="zlib")
    plan, _ = planned(data)

    with pytest.raises(Absent) as caught:
        scene.draw(ranges_of(data, plan), plan.parts[0], TRUE, LIMITS)
    assert caught.value.start + caught.value.size > plan.parts[0].ranges[0][0]


def test_ranges_are_not_looked_at_again_and_again(
    write_tiff: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little fits into a part: strips by the million took half a minute once."""
    looked_at = 0
    places = Level.places

    def counted(
        level: Level, bands: Sequence[int], top: int, bottom: int, *, masked: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        nonlocal looked_at
        looked_at += bottom - top
        return places(level, bands, top, bottom, masked=masked)

    monkeypatch.setattr(Level, "places", counted)
    strips = 2000
    data = write_tiff(np.ones((strips, 300, 3), "u2"), rowsperstrip=1)

    plan, _ = planned(data, room=80_000)

    assert len(plan.parts) > 30
    assert [part.top for part in plan.parts[1:]] == [part.bottom for part in plan.parts[:-1]]
    assert strips <= looked_at < 8 * strips

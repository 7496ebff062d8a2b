"""The option classes: what they refuse, and what the message says of it."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb import machine
from asyncrgb.errors import OptionsError
from asyncrgb.formats import FORMATS
from asyncrgb.limits import Limits
from asyncrgb.options import PRESETS, RenderOptions
from asyncrgb.stretches import FixedStretch, PercentileStretch

Options = FixedStretch | PercentileStretch | RenderOptions | Limits

EXAMPLES: list[Options] = [
    FixedStretch(),
    FixedStretch(-1.5, 2),
    FixedStretch((0, 1, 2), (3, 4, 5.5)),
    PercentileStretch(),
    PercentileStretch(0, 100, scope="dataset", joint=True),
    RenderOptions(),
    RenderOptions(bands=("red", 3, "B02"), sensor="eurosat", stretch=PercentileStretch()),
    RenderOptions(bands=("red",), gamma=1.4, rounding="nearest", dst_range=(1, 255)),
    RenderOptions(unscale=True, offset=-1000, nodata=0, alpha=True, bit_depth=16, worldfile=True),
    RenderOptions(nodata=-9999, format="webp", quality=100),
    RenderOptions(bands=(8, 4, 3), stretch=FixedStretch(1, 2), compress_level=9),
    RenderOptions(max_size=1024, overview=0),
    Limits(),
    Limits(workers=3, reads=1, writes=2, memory=2**20, batch=4, max_pixels=0),
]


def test_the_defaults_are_those_of_the_tutorial() -> None:
    assert dataclasses.asdict(RenderOptions()) == {
        "bands": None,
        "sensor": None,
        "stretch": None,
        "gamma": 1,
        "rounding": "down",
        "dst_range": None,
        "unscale": False,
        "offset": 0,
        "nodata": "auto",
        "alpha": False,
        "format": "png",
        "bit_depth": 8,
        "quality": None,
        "compress_level": 1,
        "worldfile": False,
        "max_size": None,
        "overview": "auto",
    }
    assert dataclasses.asdict(FixedStretch()) == {"low": 0, "high": 4000}
    assert RenderOptions().output_range == (0, 255)


def test_the_preset_is_the_published_recipe() -> None:
    options = RenderOptions(**PRESETS["eurosat-rgb"])

    assert (options.stretch, options.dst_range) == (FixedStretch(0, 2750), (1, 255))
    assert options.rounding == "nearest"


def test_the_default_limits() -> None:
    assert dataclasses.asdict(Limits()) == {
        "workers": None,
        "reads": 64,
        "writes": 64,
        "memory": 128 * 2**20,
        "batch": 128,
        "max_pixels": 2**28,
        "max_bands": 4096,
        "max_expansion": 1100,
        "timeout": None,
        "worker_memory": None,
        "nice": None,
        "shards": 1,
    }


@pytest.mark.parametrize("options", EXAMPLES, ids=str)
def test_options_are_values(options: Options) -> None:
    same = dataclasses.replace(options)

    assert same == options
    assert hash(same) == hash(options)
    assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301 - our own
    assert not hasattr(options, "__dict__")


@pytest.mark.parametrize("options", EXAMPLES, ids=str)
def test_options_are_frozen(options: Options) -> None:
    for field in dataclasses.fields(options):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(options, field.name, 1)


@pytest.mark.parametrize("kind", [RenderOptions, Limits])
def test_options_have_names(kind: Any) -> None:  # noqa: ANN401 - the call is wrong by intent
    with pytest.raises(TypeError):
        kind(1)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-3.5, -3), (0, 5e-324), (-1e300, 1e300), (2**70, 2**71)]
)
def test_a_range_of_numbers_is_a_stretch(low: float, high: float) -> None:
    assert dataclasses.astuple(FixedStretch(low, high)) == (low, high)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (5, 5, "5 5"),
        (5.0, 5.0, "5 5"),
        (4000, 0, "4000 0"),
        (0.5, 0.25, "0.5 0.25"),
        (float("nan"), 1, "nan 1"),
        (0, float("nan"), "0 nan"),
        (0, float("inf"), "0 inf"),
        (-float("inf"), 0, "-inf 0"),
        (0, 10**400, "0 1000000"),
        (-(10**400), 0, "-1000000"),
        (-1.5e308, 1.5e308, "-1.5e+308 1.5e+308"),
        ("0", 4000, "'0' 4000"),
        (0, None, "0 None"),
        (False, True, "False True"),
        (0, 1j, "0 1j"),
        ((0, 3), (2, 3), "3 3"),
        (("0",), (2,), "'0' 2"),
    ],
    ids=lambda value: f"{value}"[:20],
)
def test_what_is_no_range_is_named(low: Any, high: Any, said: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^scale {re.escape(said)}.*: give two finite numbers"):
        FixedStretch(low, high)


@pytest.mark.parametrize(
    ("low", "high"), [(0, (1, 2)), ((0, 1), 2), ((0, 1), (2, 3, 4)), ((), ()), ((), 1)], ids=str
)
def test_ranges_have_two_ends_each(low: Any, high: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=r"^scale .* as many of both"):
        FixedStretch(low, high)


def test_ranges_are_pairs() -> None:
    assert FixedStretch(1, 2).ranges == ((1, 2),)
    assert FixedStretch((0, 1, 2), (3, 4, 5)).ranges == ((0, 3), (1, 4), (2, 5))


@pytest.mark.parametrize(
    ("low", "high"),
    [(2, 2), (98, 2), (-1, 50), (2, 101), (float("nan"), 98), ("2", 98), (False, True), (2, None)],
)
def test_what_is_no_percentile_is_named(low: Any, high: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=r"^percentile .*: .* from 0 to 100.* 2 98"):
        PercentileStretch(low, high)


@pytest.mark.parametrize("scope", ["images", "", None, [], 1])
def test_what_is_no_scope_is_named(scope: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=r"^scope .*: choose image or dataset"):
        PercentileStretch(scope=scope)
    with pytest.raises(OptionsError, match=r"^joint .*: give True or False"):
        PercentileStretch(joint=scope)


@pytest.mark.parametrize(
    ("bands", "remedy"),
    [
        ((), "three bands, .* or one"),
        ((1, 2), "three bands, .* or one"),
        ((1, 2, 3, 4), "three bands, .* or one"),
        ((0, 1, 2), "counted from 1"),
        ((4, 3, -2), "counted from 1"),
        ((4, 3, 2.0), "whole numbers"),
        ((4, 3, ""), "names, or whole numbers"),
        ((4, 3, None), "whole numbers"),
        ((True, True, True), "whole numbers"),
        ([4, 3, 2], "tuple"),
        ("432", "tuple"),
        (432, "tuple"),
        ((" ",), "names, or whole numbers"),
        ({4, 3, 2}, "tuple"),
    ],
)
def test_bands_that_are_none_are_named(bands: Any, remedy: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=remedy) as caught:
        RenderOptions(bands=bands)

    shown = ",".join(map(str, bands)) if isinstance(bands, tuple) else repr(bands)
    assert f"bands {shown}: " in str(caught.value)
    assert "4,3,2" in str(caught.value).replace(", ", ",")


@pytest.mark.parametrize("stretch", [(0, 4000), 0, 4000, FixedStretch, "0 4000"])
def test_what_is_no_stretch_is_named(stretch: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match="FixedStretch") as caught:
        RenderOptions(stretch=stretch)

    assert repr(stretch) in str(caught.value)


@pytest.mark.parametrize("level", [-1, 10, 1.0, "1", True, None])
def test_what_is_no_level_is_named(level: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^compress level {level}: .* from 0 .* 9"):
        RenderOptions(compress_level=level)


@pytest.mark.parametrize("level", range(10))
def test_levels_go_from_0_to_9(level: int) -> None:
    assert RenderOptions(compress_level=level).compress_level == level


@pytest.mark.parametrize("field", ["workers", "reads", "writes", "batch"])
@pytest.mark.parametrize("value", [0, -1, 4097, 2.0, "2", True, float("nan")])
def test_numbers_of_things_have_bounds(field: str, value: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^{field} {value!r}: .* from 1 to 4096"):
        Limits(**{field: value})


@pytest.mark.parametrize("field", ["workers", "reads", "writes", "batch"])
@pytest.mark.parametrize("value", [1, 4096])
def test_numbers_of_things_include_their_bounds(field: str, value: int) -> None:
    limits: dict[str, Any] = {field: value}

    assert getattr(Limits(**limits), field) == value


@pytest.mark.parametrize("value", [-1, 20, 1.0, "1", True])
def test_nice_has_bounds(value: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^nice {value!r}: .* from 0 to 19"):
        Limits(nice=value)
    assert [Limits(nice=each).nice for each in (0, 19)] == [0, 19]


@pytest.mark.parametrize("field", ["reads", "writes", "batch", "memory", "max_pixels"])
def test_only_workers_may_be_left_open(field: str) -> None:
    limits: dict[str, Any] = {field: None}

    with pytest.raises(OptionsError, match=f"^{field} None: "):
        Limits(**limits)


@pytest.mark.parametrize("memory", [0, -1, 2**20 - 1, 2.0**27, "128M", True])
def test_memory_has_a_least_size(memory: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=rf"^memory {memory!r}: .*1048576 bytes \(1M\) or more"):
        Limits(memory=memory)


@pytest.mark.parametrize("pixels", [-1, 1.5, "all", False])
def test_the_pixel_limit_is_a_number(pixels: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^max_pixels {pixels!r}: .* or 0 for no limit"):
        Limits(max_pixels=pixels)


def test_workers_follow_the_processors_unless_they_are_given() -> None:
    assert Limits().worker_count == machine.processors() >= 1
    assert Limits(workers=3).worker_count == 3


@pytest.mark.parametrize("bands", [(1,), (4, 3, 2), (2, 2, 2), ("red",), ("B04", 3, "b02")])
def test_bands_are_three_or_one_by_number_or_name(bands: tuple[int | str, ...]) -> None:
    assert RenderOptions(bands=bands).bands == bands


def test_numbers_of_bands_are_known_beforehand_where_nothing_depends_on_the_image() -> None:
    assert RenderOptions().indexes is None
    assert RenderOptions(bands=(8, 4, 3)).indexes == (8, 4, 3)
    assert RenderOptions(bands=("red", 3, 2)).indexes is None
    assert RenderOptions(sensor="landsat-tm").indexes == (3, 2, 1)
    assert RenderOptions(sensor="eurosat", bands=("B8A", "RED", 1)).indexes == (13, 4, 1)
    assert RenderOptions(sensor="eurosat", bands=("nir",)).indexes == (8,)


@pytest.mark.parametrize(
    ("sensor", "said"),
    [
        ("eurosats", "eurosat.*naip.*Did you mean eurosat?"),
        ("", "sentinel2-l2a"),
        (7, "sentinel2-l2a"),
        ([], "sentinel2-l2a"),
        (b"naip", "sentinel2-l2a"),
    ],
)
def test_what_is_no_sensor_is_named(sensor: Any, said: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=said) as caught:
        RenderOptions(sensor=sensor)

    assert repr(sensor) in str(caught.value)


def test_what_the_sensor_lacks_is_named() -> None:
    with pytest.raises(
        OptionsError, match=r"'B014' is no band of eurosat.*B01.*Did you mean B04\?"
    ):
        RenderOptions(sensor="eurosat", bands=("B014", "B03", "B02"))


def test_zeros_may_be_left_out_of_names() -> None:
    options = RenderOptions(sensor="eurosat", bands=("B8", "b4", "B8a"))
    assert options.indexes == (8, 4, 13)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gamma": 0}, "gamma 0: .* above 0"),
        ({"gamma": -1.5}, "gamma -1.5: "),
        ({"gamma": float("nan")}, "gamma nan: "),
        ({"gamma": "2"}, "gamma '2': "),
        ({"rounding": "up"}, "rounding 'up': choose down or nearest"),
        ({"rounding": []}, "rounding .*: choose down or nearest"),
        ({"offset": float("inf")}, "offset inf: "),
        ({"offset": None}, "offset None: "),
        ({"nodata": "zero"}, "nodata 'zero': .* auto or none"),
        ({"nodata": None}, "nodata None: .* auto or none"),
        ({"nodata": True}, "nodata True: .* auto or none"),
        ({"nodata": 10**400}, "nodata 1000"),
        ({"unscale": 1}, "unscale 1: give True or False"),
        ({"alpha": "yes"}, "alpha 'yes': give True or False"),
        ({"worldfile": None}, "worldfile None: give True or False"),
        ({"format": "gif"}, "format 'gif': choose one of png, jpeg, webp, tiff"),
        ({"format": []}, "format .*: choose one of png, jpeg, webp, tiff"),
        ({"bit_depth": 12}, "bit depth 12: png can have 8 or 16"),
        ({"bit_depth": 8.0}, "bit depth 8.0: png can have 8 or 16"),
        ({"bit_depth": True}, "bit depth True: "),
        ({"format": "jpeg", "bit_depth": 16}, "bit depth 16: jpeg can have only 8"),
        ({"format": "webp", "bit_depth": 16}, "bit depth 16: webp can have only 8"),
        ({"format": "jpeg", "alpha": True}, "jpeg cannot hold transparency: .* png"),
        ({"format": "jpeg", "quality": 0}, "quality 0: .* from 1 to 100"),
        ({"format": "webp", "quality": 101}, "quality 101: .* from 1 to 100"),
        ({"format": "webp", "quality": 90.0}, "quality 90.0: .* from 1 to 100"),
        ({"format": "png", "quality": 90}, "quality 90: png loses nothing.* jpeg or webp"),
        ({"format": "tiff", "quality": 90}, "quality 90: tiff loses nothing.* jpeg or webp"),
        ({"format": "jpeg", "compress_level": 9}, "compress level 9: jpeg has none"),
        ({"dst_range": (255, 1)}, "dst range .*255, 1.*: .* 0 to 255"),
        ({"dst_range": (0, 256)}, "dst range .*: .* 0 to 255"),
        ({"dst_range": (-1, 255)}, "dst range .*: .* 0 to 255"),
        ({"dst_range": (0, 65_536), "bit_depth": 16}, "dst range .*: .* 0 to 65535"),
        ({"dst_range": (0, 1.5)}, "dst range .*: "),
        ({"dst_range": (False, True)}, "dst range .*: "),
        ({"dst_range": (0, 1, 2)}, "dst range .*: "),
        ({"dst_range": [0, 255]}, "dst range .*: "),
        ({"bands": (1,), "stretch": FixedStretch((0, 0, 0), (1, 1, 1))}, "3 ranges for 1 bands"),
        ({"stretch": FixedStretch((0, 0), (1, 1))}, "2 ranges for 3 bands"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(fields: Any, said: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=said):
        RenderOptions(**fields)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_takes_what_it_can_hold(name: str) -> None:
    its = FORMATS[name]
    options = RenderOptions(
        format=name,
        alpha=its.alpha,
        bit_depth=16 if its.deep else 8,
        quality=100 if its.lossy else None,
        compress_level=1 if name == "jpeg" else 9,
        worldfile=True,
        dst_range=(1, 65_535 if its.deep else 255),
    )
    assert options.output_range == options.dst_range


def test_one_range_or_one_for_each_band() -> None:
    three, one = FixedStretch((0, 0, 0), (1, 2, 3)), FixedStretch((0,), (1,))

    assert RenderOptions(stretch=three).stretch is three
    assert RenderOptions(stretch=one, bands=(1,)).stretch is one
    assert RenderOptions(stretch=one, bands=(3, 2, 1)).stretch is one


@pytest.mark.parametrize("nodata", [float("nan"), float("inf"), -float("inf")])
def test_nodata_may_be_no_number(nodata: float) -> None:
    assert RenderOptions(nodata=nodata).nodata is nodata


texts = st.text("0a, é")  # the table of all characters takes seconds to make
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner, inner) | st.dictionaries(texts, inner),
    max_leaves=4,
)


def is_answered(kind: type[Options], **values: Any) -> bool:  # noqa: ANN401 - anything
    """Make options of anything: they are sound and travel, or are refused in words."""
    try:
        options = kind(**values)
    except OptionsError as error:
        return bool(str(error))
    copy = pickle.loads(pickle.dumps(options))  # noqa: S301 - our own
    same = repr(copy) == repr(options)  # NaN is not equal to its copy
    return same and hash(options) == hash(dataclasses.replace(options))


@given(
    field=st.sampled_from([field.name for field in dataclasses.fields(RenderOptions)]),
    value=anything,
)
def test_render_options_are_right_or_refused(field: str, value: object) -> None:
    assert is_answered(RenderOptions, **{field: value})


@given(low=anything, high=anything)
def test_stretches_are_right_or_refused(low: object, high: object) -> None:
    assert is_answered(FixedStretch, low=low, high=high)
    assert is_answered(PercentileStretch, low=low, high=high)
    assert is_answered(PercentileStretch, scope=low, joint=high)


@given(field=st.sampled_from([field.name for field in dataclasses.fields(Limits)]), value=anything)
def test_limits_are_right_or_refused(field: str, value: object) -> None:
    assert is_answered(Limits, **{field: value})


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 0.0001, 1e9, True, "5"])
def test_a_timeout_is_a_number_of_seconds(timeout: object) -> None:
    with pytest.raises(OptionsError, match=r"timeout .* seconds"):
        Limits(timeout=timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [-1, 1, 2**20 - 1, 1.5, True, "1G"])
def test_the_memory_of_a_worker_is_a_megabyte_or_more_or_any(memory: object) -> None:
    with pytest.raises(OptionsError, match=r"worker memory .* or 0 for no limit"):
        Limits(worker_memory=memory)  # type: ignore[arg-type]
    assert Limits(worker_memory=0).worker_memory == 0

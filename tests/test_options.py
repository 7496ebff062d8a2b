"""The option classes: what they refuse, and what the message says of it."""

from __future__ import annotations

import dataclasses
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncrgb.errors import OptionsError
from asyncrgb.options import FixedStretch, Limits, RenderOptions, available_processors

Options = FixedStretch | RenderOptions | Limits

EXAMPLES: list[Options] = [
    FixedStretch(),
    FixedStretch(-1.5, 2),
    RenderOptions(),
    RenderOptions(bands=(8, 4, 3), stretch=FixedStretch(1, 2), compress_level=9),
    Limits(),
    Limits(workers=3, reads=1, writes=2, memory=2**20, batch=4, max_pixels=0),
]


def test_the_defaults_are_those_of_the_tutorial() -> None:
    assert dataclasses.asdict(RenderOptions()) == {
        "bands": (4, 3, 2),
        "stretch": {"low": 0, "high": 4000},
        "compress_level": 1,
    }


def test_the_default_limits() -> None:
    assert dataclasses.asdict(Limits()) == {
        "workers": None,
        "reads": 64,
        "writes": 8,
        "memory": 128 * 2**20,
        "batch": 64,
        "max_pixels": 2**28,
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
        ((0, 1), (2, 3), "(0, 1) (2, 3)"),
    ],
    ids=lambda value: f"{value}"[:20],
)
def test_what_is_no_range_is_named(low: Any, high: Any, said: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^scale {re.escape(said)}.*: give two finite numbers"):
        FixedStretch(low, high)


@pytest.mark.parametrize(
    ("bands", "remedy"),
    [
        ((), "three band numbers"),
        ((1, 2), "three band numbers"),
        ((1, 2, 3, 4), "three band numbers"),
        ((0, 1, 2), "counted from 1"),
        ((4, 3, -2), "counted from 1"),
        ((4, 3, 2.0), "whole numbers"),
        ((4, 3, "2"), "whole numbers"),
        ((4, 3, None), "whole numbers"),
        ((True, True, True), "whole numbers"),
        ([4, 3, 2], "tuple"),
        ("432", "tuple"),
        (432, "tuple"),
        (None, "tuple"),
        ({4, 3, 2}, "tuple"),
    ],
)
def test_bands_that_are_none_are_named(bands: Any, remedy: str) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=remedy) as caught:
        RenderOptions(bands=bands)

    shown = ",".join(map(str, bands)) if isinstance(bands, tuple) else repr(bands)
    assert f"bands {shown}: " in str(caught.value)
    assert "4,3,2" in str(caught.value).replace(", ", ",")


@pytest.mark.parametrize("stretch", [(0, 4000), None, 4000, FixedStretch, "0 4000"])
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
    with pytest.raises(OptionsError, match=f"^{field} {value}: .* from 1 to 4096"):
        Limits(**{field: value})


@pytest.mark.parametrize("field", ["workers", "reads", "writes", "batch"])
@pytest.mark.parametrize("value", [1, 4096])
def test_numbers_of_things_include_their_bounds(field: str, value: int) -> None:
    limits: dict[str, Any] = {field: value}

    assert getattr(Limits(**limits), field) == value


@pytest.mark.parametrize("field", ["reads", "writes", "batch", "memory", "max_pixels"])
def test_only_workers_may_be_left_open(field: str) -> None:
    limits: dict[str, Any] = {field: None}

    with pytest.raises(OptionsError, match=f"^{field} None: "):
        Limits(**limits)


@pytest.mark.parametrize("memory", [0, -1, 2**20 - 1, 2.0**27, "128M", True])
def test_memory_has_a_least_size(memory: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=rf"^memory {memory}: .*1048576 bytes \(1M\) or more"):
        Limits(memory=memory)


@pytest.mark.parametrize("pixels", [-1, 1.5, "all", False])
def test_the_pixel_limit_is_a_number(pixels: Any) -> None:  # noqa: ANN401 - wrong by intent
    with pytest.raises(OptionsError, match=f"^max_pixels {pixels}: .* or 0 for no limit"):
        Limits(max_pixels=pixels)


def test_workers_follow_the_processors_unless_they_are_given() -> None:
    assert Limits().worker_count == available_processors() >= 1
    assert Limits(workers=3).worker_count == 3


texts = st.text("0a, é")  # the table of all characters takes seconds to make
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner, inner) | st.dictionaries(texts, inner),
    max_leaves=4,
)


def is_answered(kind: type[Options], **values: Any) -> bool:  # noqa: ANN401 - anything
    """Make options of anything: they are sound, or refused in words."""
    try:
        options = kind(**values)
    except OptionsError as error:
        return bool(str(error))
    return hash(options) == hash(dataclasses.replace(options))


@given(field=st.sampled_from(["bands", "stretch", "compress_level"]), value=anything)
def test_render_options_are_right_or_refused(field: str, value: object) -> None:
    assert is_answered(RenderOptions, **{field: value})


@given(low=anything, high=anything)
def test_stretches_are_right_or_refused(low: object, high: object) -> None:
    assert is_answered(FixedStretch, low=low, high=high)


@given(field=st.sampled_from([field.name for field in dataclasses.fields(Limits)]), value=anything)
def test_limits_are_right_or_refused(field: str, value: object) -> None:
    assert is_answered(Limits, **{field: value})

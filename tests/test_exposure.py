"""What is said of pictures that came out badly, and that nothing is said of good ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncrgb.exposure import Exposure, advice
from asyncrgb.imaging.chip import picture
from asyncrgb.limits import Limits
from asyncrgb.options import RenderOptions
from asyncrgb.stretches import FixedStretch, PercentileStretch

GOOD = Exposure(low=300, high=3000, black=0.05, white=0.01, blank=0)
BLACK = Exposure(low=0.0, high=255.0, black=1, white=0, blank=0)
WHITE = Exposure(low=9000, high=60_000, black=0, white=0.95, blank=0)
BLANK = Exposure(low=None, high=None, black=0, white=0, blank=1)
GUESSED = Exposure(low=300, high=3000, black=0, white=0, blank=0, guessed=6)


def judged(data: bytes, options: RenderOptions | None = None) -> Exposure:
    exposure = picture(data, options or RenderOptions(), Limits(), judge=True).exposure
    assert exposure is not None
    return exposure


@pytest.mark.parametrize("exposures", [[], [GOOD], [GOOD] * 5, [GOOD, BLACK], [WHITE, BLACK]])
def test_nothing_is_said_of_what_is_good_or_mixed(exposures: list[Exposure]) -> None:
    assert advice(exposures) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (BLACK, ["all black", "from 0 to 255", "--percentile 2 98", "--scale"]),
        (WHITE, ["all white", "from 9000 to 60000", "--percentile 2 98"]),
        (BLANK, ["without data", "NaN", "--alpha", "--nodata VALUE"]),
        (GUESSED, ["4,3,2", "6 bands", "--sensor", "--bands"]),
    ],
)
def test_each_fault_has_its_remedy(bad: Exposure, said: list[str]) -> None:
    (advised,) = advice([bad])

    assert [part for part in said if part not in advised] == []


def test_a_few_good_pictures_do_not_hide_many_bad_ones() -> None:
    assert advice([BLACK] * 19 + [GOOD])
    assert not advice([BLACK] * 15 + [GOOD] * 5)
    assert advice([BLANK] * 19 + [GOOD])


def test_a_guess_is_told_even_once_and_with_all_counts() -> None:
    (advised,) = advice([GOOD, GUESSED, Exposure(1, 2, 0, 0, 0, guessed=12)])

    assert "6 or 12 bands" in advised


def test_pictures_of_a_single_value_are_told_so() -> None:
    """No stretch would help them."""
    (advised,) = advice([Exposure(7, 7, 1, 0, 0)] * 3)

    assert "--percentile" not in advised
    assert "7" in advised


ALREADY = "--percentile 2 98"
NARROW = PercentileStretch(2, 98)


@pytest.mark.parametrize(
    ("bad", "options", "said", "unsaid"),
    [
        (BLACK, RenderOptions(), [ALREADY, "--scale"], ["--gamma"]),
        (BLACK, RenderOptions(stretch=FixedStretch(0, 9000)), [ALREADY, "--scale"], []),
        (
            BLACK,
            RenderOptions(stretch=NARROW),
            ["--gamma 2", "--bands", "--nodata 0"],
            [ALREADY, "--scope"],
        ),
        (WHITE, RenderOptions(stretch=NARROW), ["--gamma 0.5", "--nodata 60000"], [ALREADY]),
        (BLACK, RenderOptions(stretch=PercentileStretch(0, 100)), [ALREADY], ["--scale"]),
        (BLACK, RenderOptions(stretch=PercentileStretch(5, 90)), ["--gamma 2"], ["--percentile"]),
        (
            BLACK,
            RenderOptions(stretch=PercentileStretch(2, 98, scope="dataset")),
            ["--scope image"],
            [ALREADY],
        ),
        (BLACK, RenderOptions(stretch=NARROW, nodata=0.0), ["--gamma 2"], ["--nodata"]),
        (BLACK, RenderOptions(gamma=0.1), ["larger --gamma"], ["--gamma 2"]),
        (WHITE, RenderOptions(stretch=NARROW, gamma=9.0), ["smaller --gamma"], ["--gamma 0.5"]),
        (WHITE, RenderOptions(stretch=NARROW, gamma=0.5), ["--bands"], ["--gamma"]),
    ],
)
def test_what_was_given_already_is_not_advised(
    bad: Exposure, options: RenderOptions, said: list[str], unsaid: list[str]
) -> None:
    (advised,) = advice([bad], options)

    assert [part for part in said if part not in advised] == []
    assert [part for part in unsaid if part in advised] == []


def test_statistics_that_do_not_suit_are_to_be_left_out() -> None:
    options = RenderOptions(stretch=FixedStretch(5, 6))
    (advised,) = advice([BLACK], options, borrowed=True)

    assert "--stats" in advised
    assert ALREADY not in advised


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        (RenderOptions(), ["--alpha", "--nodata VALUE"], ["none"]),
        (RenderOptions(alpha=True), ["--nodata VALUE"], ["--alpha", "none"]),
        (RenderOptions(format="jpeg"), ["--nodata VALUE"], ["--alpha"]),
        (RenderOptions(nodata="none"), ["NaN", "--alpha"], ["--nodata"]),
        (RenderOptions(nodata=float("nan")), ["NaN", "--alpha"], ["--nodata"]),
        (RenderOptions(nodata="none", alpha=True), ["NaN"], ["--"]),
        (
            RenderOptions(nodata=-9999.0),
            ["--alpha", "-9999 is data, give another --nodata"],
            ["none"],
        ),
    ],
)
def test_what_is_empty_is_not_told_to_count_nan_as_data(
    options: RenderOptions, said: list[str], unsaid: list[str]
) -> None:
    (advised,) = advice([BLANK], options)

    assert "without data" in advised
    assert [part for part in said if part not in advised] == []
    assert [part for part in unsaid if part in advised] == []


def test_what_is_blank_does_not_count_as_black() -> None:
    assert advice([BLANK, GOOD]) == []
    (advised,) = advice([BLANK, BLACK])
    assert "black" in advised


def test_real_chips_are_well_exposed_class_by_class(data_folder: Path) -> None:
    folders = sorted((data_folder / "eurosat").iterdir())
    assert len(folders) == 10
    for folder in folders:
        each = [judged(path.read_bytes()) for path in sorted(folder.glob("*.tif"))]
        assert advice(each) == [], folder.name
        assert all(0 <= exposure.black < 0.9 for exposure in each), folder.name


def test_a_landsat_scene_of_bytes_is_guessed_and_with_the_range_of_others_black(
    data_folder: Path,
) -> None:
    data = (data_folder / "scenes" / "landsat7_6band.tif").read_bytes()

    assert "6 bands" in advice([judged(data)])[0]
    dark, guess = advice([judged(data, RenderOptions(stretch=FixedStretch(0, 4000)))])
    assert "nearly all black" in dark
    assert "to 255" in dark
    assert "6 bands" in guess
    assert advice([judged(data, RenderOptions(sensor="landsat-tm"))]) == []

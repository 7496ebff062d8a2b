"""What is said of pictures that came out badly, and that nothing is said of good ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncrgb.exposure import Exposure, advice
from asyncrgb.imaging.chip import picture
from asyncrgb.options import FixedStretch, Limits, RenderOptions

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
        (BLANK, ["without data", "--nodata none"]),
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


def test_a_landsat_scene_of_bytes_is_black_and_guessed(data_folder: Path) -> None:
    data = (data_folder / "scenes" / "landsat7_6band.tif").read_bytes()

    dark, guess = advice([judged(data)])
    assert "nearly all black" in dark
    assert "to 255" in dark
    assert "6 bands" in guess
    named = RenderOptions(sensor="landsat-tm", stretch=FixedStretch(0, 255))
    assert advice([judged(data, named)]) == []

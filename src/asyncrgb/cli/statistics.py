"""``--stats``: the stretch of another dataset, from a file that ``asyncrgb stats`` wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from asyncrgb.errors import OptionsError
from asyncrgb.options import DEFAULT_BANDS, RenderOptions
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from asyncrgb import Statistics

_USUAL: Final = {1: (1,), 3: (1, 2, 3), 13: DEFAULT_BANDS}  # by number of bands


def with_statistics(options: RenderOptions, file: str) -> RenderOptions:
    """Turn the percentiles in ``options`` into values: those of the statistics in ``file``.

    Raises:
        click.UsageError: nothing tells which of its bands are meant.
        OptionsError: ``file`` holds no statistics, or none of a band that is shown.
        OSError: it cannot be read.

    """
    if options.bands is not None and options.indexes is None:
        raise click.UsageError("--stats: name bands by number, or give a --sensor")
    statistics = _read_statistics(file)
    assert isinstance(options.stretch, PercentileStretch)  # noqa: S101 - see _check_exclusive
    percentiles = options.stretch
    if options.indexes is None:
        options = replace(options, bands=_usual_bands(statistics))
    return replace(options, stretch=statistics.stretch(percentiles, options.indexes))


def _read_statistics(file: str) -> Statistics:
    from asyncrgb import Statistics  # noqa: PLC0415 - numpy, which --help does not need

    try:
        with open(file, encoding="utf-8") as opened:
            statistics = Statistics.from_json(opened.read())
    except UnicodeDecodeError:
        raise OptionsError(f"{file}: that is no file of `asyncrgb stats`") from None
    except OptionsError as error:
        raise OptionsError(f"{file}: {error}") from error
    if not statistics.images:
        raise OptionsError(f"{file}: statistics of no image: make them again")
    return statistics


def _usual_bands(statistics: Statistics) -> tuple[int, ...]:
    """Say which bands of what was counted go without asking: those of a picture, or of EuroSAT."""
    count = len(statistics.bands)
    bands = _USUAL.get(count)
    if bands is None:
        raise click.UsageError(f"--stats: they are of {count} bands: name the --bands to show")
    return bands

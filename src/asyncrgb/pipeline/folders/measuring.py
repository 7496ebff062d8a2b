"""The first pass over a dataset: the values of all its images, counted by the workers.

It is the pipeline that renders, with its reading, batches and recovery. Only what workers do
with an image is another thing, and what comes back: one set of counts for each batch.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

from asyncrgb.errors import OptionsError
from asyncrgb.pipeline.folders.plan import sources
from asyncrgb.pipeline.outcomes import Failed
from asyncrgb.pipeline.run import running, slices_on_thread
from asyncrgb.pipeline.stream import Stream
from asyncrgb.pipeline.workers.orders import Measure
from asyncrgb.stretches import PercentileStretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.engine import Engine
    from asyncrgb.pipeline.folders.plan import Planned
    from asyncrgb.pipeline.outcomes import Outcome
    from asyncrgb.pipeline.run import Brake

_COLOURS: Final = 3
_numbers = count()


async def measure_folder(
    flow: Engine,
    source: str,
    options: RenderOptions,
    on_outcome: Callable[[Outcome], None] | None,
    brake: Brake,
) -> Statistics:
    """Do what ``Converter.measure`` says."""

    def deliver(_: int, outcome: Outcome) -> None:
        if on_outcome is not None:
            on_outcome(outcome)

    action = Measure(next(_numbers), options, every=True)
    await flow.reach(source, None)
    return await _measure(flow, sources(source, flow.places), action, deliver, brake)


async def settled(
    flow: Engine,
    planned: Iterator[Planned | None],
    options: RenderOptions,
    on_outcome: Callable[[Outcome], None] | None,
    brake: Brake,
) -> RenderOptions:
    """Replace a stretch of a whole dataset by the range that its images turn out to have.

    Images that cannot be measured are left out: they come up again when they are rendered.
    """
    stretch = options.stretch
    if not isinstance(stretch, PercentileStretch) or stretch.scope != "dataset":
        return options

    def deliver(_: int, outcome: Outcome) -> None:
        if on_outcome is not None and not isinstance(outcome, Failed):
            on_outcome(outcome)

    action = Measure(next(_numbers), options, every=False)
    statistics = await _measure(flow, planned, action, deliver, brake)
    if brake.pulled:  # what has been counted says nothing about all the images
        return options
    if len(statistics.bands) > _COLOURS and not stretch.joint:
        raise OptionsError(
            "grey pictures and coloured ones have no range in common: name the --bands, convert "
            "them apart, or give one range for all (--joint)"
        )
    return replace(options, stretch=statistics.stretch(stretch))


async def _measure(
    flow: Engine,
    planned: Iterator[Planned | None],
    action: Measure,
    deliver: Callable[[int, Outcome], None],
    brake: Brake,
) -> Statistics:
    from asyncrgb.imaging.statistics import Statistics  # noqa: PLC0415 - numpy, only for this

    total = Statistics()
    stream = Stream(deliver, action=action, absorb=total.merge)
    async with running(flow, stream, slices_on_thread(flow, planned), brake):
        await stream.done()
    return total

"""A whole folder: planned, skipped where it is fresh, converted, reported in order."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from asyncrgb.formats import FORMATS
from asyncrgb.pipeline.freshness import Freshness
from asyncrgb.pipeline.measuring import settled
from asyncrgb.pipeline.outcomes import Report
from asyncrgb.pipeline.plan import names_output, plan
from asyncrgb.pipeline.run import running, slices_on_thread
from asyncrgb.pipeline.stream import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from asyncrgb.options import RenderOptions
    from asyncrgb.pipeline.flow import Flow
    from asyncrgb.pipeline.outcomes import Job, Outcome
    from asyncrgb.pipeline.plan import Layout, Planned


async def convert_folder(  # noqa: PLR0913 - each option stands for itself
    flow: Flow,
    source: str,
    destination: str,
    *,
    layout: Layout,
    force: bool,
    on_outcome: Callable[[Outcome], None] | None,
) -> Report:
    """Do what ``Converter.convert`` says."""
    began = perf_counter()
    suffix = FORMATS[flow.options.format].suffix
    planned = partial(plan, source, destination, layout, suffix)
    slices = slices_on_thread(flow, planned())
    first = await anext(slices)  # errors of usage come out here, before anything is written
    options = await settled(flow, planned(), flow.options, on_outcome)
    is_fresh = None
    if not names_output(source, destination, suffix):
        is_fresh = await _freshness(flow, destination, options, force=force)
    outcomes: list[Outcome | None] = []

    def deliver(index: int, outcome: Outcome) -> None:
        outcomes.extend([None] * (index + 1 - len(outcomes)))
        outcomes[index] = outcome
        if on_outcome is not None:
            on_outcome(outcome)

    stream = Stream(deliver, is_fresh=is_fresh, action=options)
    async with running(flow, stream, _chain(first, slices)):
        await stream.done()
    return Report(tuple(each for each in outcomes if each is not None), perf_counter() - began)


async def _freshness(
    flow: Flow, destination: str, options: RenderOptions, *, force: bool
) -> Callable[[Job], bool] | None:
    """Say how to tell what is fresh; None where everything is to be converted."""
    freshness = await flow.on_thread(Freshness.of, destination, options)
    return None if force or freshness.anew else freshness.is_fresh


async def _chain(
    first: list[Planned], others: AsyncIterator[list[Planned]]
) -> AsyncIterator[list[Planned]]:
    yield first
    async for each in others:
        yield each

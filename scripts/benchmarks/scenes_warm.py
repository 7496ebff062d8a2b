"""What more workers gain on one scene, apart from start-up: Converters that are warm, in turn.

``python -m benchmarks.scenes_warm SCENE PICTURE SIDE ROUNDS WORKERS`` (from ``scripts``); SIDE is
the longest side of the picture, 0 for that of the scene.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import uvloop

from asyncrgb import Converter, Failed, Limits, RenderOptions

_SCRIPTS = Path(__file__).parents[1]


def told(scene: str, picture: str, side: int, rounds: int, workers: int) -> str:
    """Measure in a process of its own; return what came of it, in a line."""
    arguments = [scene, picture, *map(str, (side, rounds, workers))]
    command = [sys.executable, "-m", "benchmarks.scenes_warm", *arguments]
    ended = subprocess.run(  # noqa: S603 - our own command
        command, cwd=_SCRIPTS, capture_output=True, text=True, check=False
    )
    return ended.stdout.strip() or f"warm: failed: {ended.stderr.strip()}"


async def _compared(scene: str, picture: str, side: int, rounds: int, workers: int) -> str:
    options = RenderOptions(max_size=side or None)
    seconds: dict[int, list[float]] = {1: [], workers: []}
    async with AsyncExitStack() as stack:
        converters = {
            count: await stack.enter_async_context(Converter(options, limits=Limits(workers=count)))
            for count in seconds
        }
        for number in range(rounds + 1):
            for count, converter in converters.items():
                began = time.perf_counter()
                outcome = await converter.convert_file(scene, picture)
                if isinstance(outcome, Failed):
                    raise outcome.error
                if number:  # the one ahead of them has started the workers
                    seconds[count].append(time.perf_counter() - began)
    ratio = median(one / all_ for one, all_ in zip(*seconds.values(), strict=True))
    each = ", ".join(f"{median(took):.2f} s with {count}" for count, took in seconds.items())
    return f"warm: {each} workers: {ratio:.2f} x"


def main() -> None:
    """Measure, and print what came of it."""
    scene, picture, *numbers = sys.argv[1:]
    side, rounds, workers = map(int, numbers)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(_compared(scene, picture, side, rounds, workers)))


if __name__ == "__main__":
    main()

"""Uploads, chips and scenes of all kinds at once through one Converter with little memory.

ASYNCRGB_MIXTURES says how many such mixtures there are, ASYNCRGB_SEED which is the first.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import pytest

import asyncrgb
from asyncrgb import AsyncRgbError, Converter, Counters, Job, Limits, RenderOptions
from tests.pipeline.conftest import Run
from tests.scenes import SCENES, pixels_of

pytestmark = pytest.mark.both_loops

COUNT: Final = int(os.environ.get("ASYNCRGB_MIXTURES", "3"))
SEED: Final = int(os.environ.get("ASYNCRGB_SEED", "1"))
GENEROUS: Final = 60  # seconds, on a busy machine
REST: Final = Counters(reading=0, ready=0, rendering=0, writing=0, leased=0)
OPTIONS: Final = [  # with some of them pictures are larger than their images
    RenderOptions(),
    RenderOptions(compress_level=0),
    RenderOptions(bit_depth=16, compress_level=0),
]


class Mixture:
    """Calls a Converter in all ways at once, and cancels some of the calls.

    Args:
        folder: of images, to read, and to write pictures to.
        seed: of everything that is left to chance.

    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - no secret
        self._folder = folder
        self._images = sorted(each.name for each in folder.glob("image*.tif"))
        self._scenes = sorted(each.name for each in folder.glob("scene*.tif"))
        self._share_of_scenes = self._random.choice([0, 0.1, 0.5])
        self._cancels = self._random.choice([0, 0.2])
        self._written = 0
        self._converter = Converter(
            limits=Limits(
                workers=self._random.choice([1, 2, 3]),
                memory=self._random.choice([2**20, 2**21]),
                batch=self._random.choice([1, 4, 64]),
            )
        )

    async def run(self) -> None:
        """Do it all, and see that nothing is left of it."""
        async with asyncio.timeout(GENEROUS), self._converter:
            calls = [
                asyncio.ensure_future(
                    self._random.choice([self._upload, self._upload, self._many])()
                )
                for _ in range(self._random.randrange(3, 40))
            ]
            await self._cancel_some(calls)
            for ended in await asyncio.gather(*calls, return_exceptions=True):
                assert ended is None or isinstance(ended, asyncio.CancelledError), ended
            while self._converter.counters() != REST:
                await asyncio.sleep(0.001)

    async def _cancel_some(self, calls: list[asyncio.Task[None]]) -> None:
        for call in calls:
            if self._random.random() < self._cancels:
                await asyncio.sleep(self._random.random() / 50)
                call.cancel()

    async def _upload(self) -> None:
        data = (self._folder / self._random.choice(self._images)).read_bytes()
        options = self._random.choice(OPTIONS)
        picture = await self._converter.render(data, options)
        assert np.array_equal(pixels_of(picture), pixels_of(asyncrgb.render(data, options)))

    async def _many(self) -> None:
        jobs = [self._job() for _ in range(self._random.randrange(1, 25))]
        enough = self._random.choice([len(jobs), self._random.randrange(len(jobs) + 1)])
        seen = 0
        async with aclosing(self._converter.convert_many(jobs)) as outcomes:
            async for outcome in outcomes:
                assert not isinstance(outcome, asyncrgb.Failed) or self._may_fail(outcome)
                seen += 1
                if seen == enough:
                    break

    def _job(self) -> Job:
        is_scene = self._random.random() < self._share_of_scenes
        name = self._random.choice(self._scenes if is_scene else self._images)
        self._written += 1
        source, target = self._folder / name, self._folder / f"{self._written}.png"
        return Job(str(source), str(target), self._random.choice(OPTIONS))

    def _may_fail(self, outcome: asyncrgb.Failed) -> bool:
        known = isinstance(outcome.error, AsyncRgbError)
        return known and os.path.basename(outcome.source) in self._scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_tiff: Callable[..., bytes]) -> Path:
    """Give a folder of images and scenes, hostile ones too, whose names begin with these words."""
    folder = tmp_path_factory.mktemp("mixture")
    random = np.random.default_rng(SEED)
    for number in range(24):
        size, bands = random.integers(8, 190), random.choice([3, 4, 13])
        # What compresses well becomes larger as a picture.
        most, compression = (4000, None) if number % 3 else (2, "deflate")
        pixels = random.integers(0, most, (size, size, bands), np.uint16)
        rows = 16 if number % 2 else size
        image = write_tiff(pixels, compression=compression, rowsperstrip=rows)
        (folder / f"image{number}.tif").write_bytes(image)
    for name in sorted(SCENES)[::7]:
        SCENES[name](folder / f"scene-{name}.tif")
    return folder


@pytest.fixture
def emptied(folder: Path) -> Iterator[Path]:
    """Give the folder, and remove the pictures afterwards."""
    yield folder
    for each in folder.glob("*.png"):
        each.unlink()


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_nothing_is_left_of_uploads_chips_and_scenes_at_once(
    emptied: Path, caplog: pytest.LogCaptureFixture, run: Run, seed: int
) -> None:
    caplog.set_level(logging.WARNING)
    run(Mixture(emptied, seed).run())
    assert not [each for each in emptied.iterdir() if each.name.startswith(".asyncrgb-")]
    complaints = [each.getMessage() for each in caplog.records if "took" not in each.getMessage()]
    assert not complaints, "a slow callback is not what is looked for here"

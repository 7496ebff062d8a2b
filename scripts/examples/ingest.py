"""A daemon that converts every TIFF that is moved into a folder.

    python scripts/examples/ingest.py WATCHED RESULTS

Write a file elsewhere on the same disk, then rename it into WATCHED: so it is complete when it
is seen. What has a picture in RESULTS that is not older is done already. SIGTERM, or Ctrl-C:
what has been begun is finished, and the daemon ends with exit code 0.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from asyncrgb import Converter, Failed, Job

POLL_SECONDS = 0.5
log = logging.getLogger("ingest")


async def ingest(watched: Path, results: Path) -> None:
    """Convert what is in ``watched``, and what appears there, until a signal comes."""
    queue: asyncio.Queue[Job] = asyncio.Queue(maxsize=256)
    loop = asyncio.get_running_loop()
    async with Converter() as converter, asyncio.TaskGroup() as group:
        watching = group.create_task(watch(watched, results, queue))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, converter.drain)
        async for outcome in converter.convert_many(following(queue)):
            if isinstance(outcome, Failed):
                log.error("%s: %s", outcome.source, outcome.error)
            else:
                log.info("%s", outcome.source)
        watching.cancel()


async def watch(watched: Path, results: Path, queue: asyncio.Queue[Job]) -> None:
    """Put every version of every TIFF in the queue, once; wait while that is full."""
    seen = await asyncio.to_thread(done, watched, results)
    while True:
        present = await asyncio.to_thread(versions, watched)
        for path, _ in sorted(present - seen):
            await queue.put(Job(str(path), str(picture_of(path, results))))
        seen = present
        await asyncio.sleep(POLL_SECONDS)


async def following(queue: asyncio.Queue[Job]) -> AsyncIterator[Job]:
    """Give what comes out of the queue, for ever; any other source of jobs would do."""
    while True:
        yield await queue.get()


def versions(folder: Path) -> set[tuple[Path, int]]:
    """List the TIFFs of a folder, each with the time of its last change, renames included."""
    found = set()
    for path in folder.glob("*.tif"):
        with suppress(FileNotFoundError):  # it may have gone since it was listed
            found.add((path, path.stat().st_ctime_ns))
    return found


def done(watched: Path, results: Path) -> set[tuple[Path, int]]:
    """List those that have a picture which is not older, from an earlier life."""
    found = set()
    for path, changed in versions(watched):
        with suppress(FileNotFoundError):
            if picture_of(path, results).stat().st_mtime_ns >= changed:
                found.add((path, changed))
    return found


def picture_of(path: Path, results: Path) -> Path:
    """Name the picture of a TIFF."""
    return results / f"{path.stem}.png"


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():  # noqa: PLR2004 - two and its own name
        sys.exit("usage: ingest.py WATCHED RESULTS, two folders; the first one is there")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    asyncio.run(ingest(Path(sys.argv[1]), Path(sys.argv[2])))

"""Load the example of a service over real HTTP, and see that its memory stays flat.

    python scripts/load.py --count 5000 --concurrent 64

Starts ``scripts/examples/service.py`` under uvicorn and sends it chips over connections on the
loopback that are kept. Prints what the answers were, how long they took, and the memory of all
its processes as it goes. Exits with 1 if an answer was no picture, or the wrong one. Needs the
dependency group ``test``; memory is there on Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import command_line
from benchmarks.measure import tree_bytes
from command_line import positive
from loading.clients import Answer, clients
from loading.service import serving
from loading.table import lines

import asyncrgb

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS: Final = 50  # of chips that are sent in turn
_WARM_UP: Final = 200  # uploads, until all workers are there


def main(arguments: Sequence[str]) -> int:
    """Load the service; return 1 if anything but the right pictures came back."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="asyncrgb-load-") as work:
        chips = [path.read_bytes() for path in _chips(options.chips, Path(work))]
    return asyncio.run(_load(chips, options))


def _chips(folder: Path | None, work: Path) -> list[Path]:
    if folder is None:
        asyncrgb.write_samples(work, _KINDS)
    return sorted((folder or work).rglob("*.tif"))[:_KINDS]


async def _load(chips: Sequence[bytes], options: argparse.Namespace) -> int:
    pairs = [(chip, asyncrgb.render(chip)) for chip in chips]
    answers: list[Answer] = []
    async with serving() as service, clients(service.port, pairs) as crowd:
        _show_memory("at the start", service.pid)
        early = await crowd.send(_WARM_UP, options.concurrent)
        _show_memory("workers warm", service.pid)
        wall, cpu = time.perf_counter(), time.process_time()
        for begun in range(0, options.count, options.every):
            part = min(options.every, options.count - begun)
            answers += await crowd.send(part, options.concurrent)
            _show_memory(f"{len(answers):,}", service.pid)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print("", *lines(answers, wall, cpu), sep="\n")
    return int(any(answer.wrong for answer in early + answers))


def _show_memory(when: str, pid: int) -> None:
    print(f"{when:>16}  {tree_bytes(pid) / 1e6:7.1f} MB", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--count", type=positive, default=5000, help="uploads; %(default)s")
    parser.add_argument("--concurrent", type=positive, default=64, help="at once; %(default)s")
    parser.add_argument("--every", type=positive, default=1000, help="look at memory; %(default)s")
    parser.add_argument("--chips", type=Path, help="a folder of TIFFs, instead of samples")
    return parser


if __name__ == "__main__":
    command_line.run(main)

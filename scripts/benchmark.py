"""Compare asyncrgb with other ways of doing the same job.

    python scripts/benchmark.py --count 27000 --rounds 3 --plot benchmark.png

Every run of a contender is a process of its own with a fresh output folder, start-up counted
in. The contenders take turns, round after round, so that whatever else the machine does hits
all of them. A round ahead of the timed ones samples memory and gets everything warm. Needs
the dependency group ``bench``, and Linux for memory; contenders whose packages are missing
are left out.

    python scripts/benchmark.py --scenes --rounds 3

The same for large TIFFs, each made into one PNG: seconds, memory, size, pixels, and how much
of the source is read. ``--small 1098x1098 --large 1098x1098`` is a quick run.

    python scripts/benchmark.py --objects --count 5000 --slow-count 1000 --rounds 3

From bucket to bucket of an object store on this machine, with and without a delay, beside a
process pool with boto3 in each worker. ``--store URL`` names another S3 server.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

import command_line
from benchmarks import chips, measure, objects, report, scenes
from benchmarks.contenders import ASYNCRGB, CONTENDERS, Contender, earlier
from benchmarks.scenes_contenders import CONTENDERS as SCENE_CONTENDERS
from benchmarks.scenes_kinds import KINDS, USUAL
from benchmarks.trial import Run, Track
from command_line import names_of, positive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Options: TypeAlias = argparse.Namespace
    Facts: TypeAlias = dict[str, str]
    Mode: TypeAlias = Callable[[Track, Options, Facts], int]

_ALONE_RUNS: Final = 10


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; return 1 if a contender failed."""
    parser = _parser()
    options = parser.parse_args(arguments)
    known = SCENE_CONTENDERS if options.scenes else CONTENDERS
    for name in set(options.only or ()) - known.keys():
        parser.error(f"--only: no {name!r} {'on' if options.scenes else 'but on'} scenes")
    measure.adopt_orphans()
    if options.scenes:
        return _scenes(options, arguments)
    count = 1 if options.mode is _alone else options.count
    with chips.work_folder(options.work, count) as work:
        source, what = chips.prepare(options.source, work, count, options.stored)
        facts = report.header(
            arguments,
            chips=what,
            folder=chips.described(work),
            workers=options.workers,
        )
        print("\n".join(f"{name}: {fact}" for name, fact in facts.items()), flush=True)
        mode: Mode = options.mode
        return mode(Track(work, source, options.workers), options, facts)


def _scenes(options: Options, arguments: Sequence[str]) -> int:
    """Compare on large TIFFs; return 1 if a contender failed."""
    room = scenes.room(options.kinds, options.small, options.large)
    with chips.work_folder(options.work, room // chips.CHIP_BYTES) as work:
        kept = Path(options.source).resolve() if options.source else work
        facts = report.header(arguments, folder=chips.described(work), workers=options.workers)
        print("\n".join(f"{name}: {fact}" for name, fact in facts.items()), flush=True)
        sizes = options.small, options.large
        course = scenes.Course(work, kept, *sizes, options.workers, options.rounds)
        return scenes.compare(course, options.kinds, options.only)


def _compare(track: Track, options: Options, facts: Facts) -> int:
    """Let the contenders take turns; return 1 if one of them failed."""
    contenders = _installed(options.only)
    contenders += [earlier(options.before)] if options.before else []
    runs = list(_rounds(track, options, contenders))
    lines = report.figures(runs, _differences(track))
    print(f"\n{report.table(lines)}" if lines else "\nno figures: all have failed")
    if options.json:
        report.dump(options.json, facts, lines, runs)
    if options.plot and lines:
        from benchmarks import plot  # noqa: PLC0415 - matplotlib is needed for nothing else

        plot.draw(options.plot, facts, lines)
    return 1 if track.failed else 0


def _installed(names: Sequence[str] | None) -> list[Contender]:
    chosen = [its for name, its in CONTENDERS.items() if not names or name in names]
    for contender in chosen:
        for missing in contender.missing():
            print(f"left out: {contender.name}, which needs {missing}: not installed")
    return [contender for contender in chosen if not contender.missing()]


def _rounds(track: Track, options: Options, contenders: Sequence[Contender]) -> Iterator[Run]:
    """Yield all runs; who fails is left out from then on."""
    slow_count = min(options.slow_count or options.count, options.count)
    for number in range(options.rounds + 1):
        for contender in contenders:
            if contender in track.failed:
                continue
            try:
                run = track.run(contender, contender.files(options.count, slow_count), number)
            except measure.RunError as error:
                track.failed.append(contender)
                _say(f"{contender.name} failed and is left out: {error}")
            else:
                _say_run(run, options.rounds)
                yield run


def _differences(track: Track) -> dict[str, int | None]:
    from benchmarks import pixels  # noqa: PLC0415 - else numpy's pages were shared with all runs

    others = {name for name, its in CONTENDERS.items() if not its.formula}
    found: dict[str, int | None] = dict.fromkeys(others)
    for name, kept in track.kept.items():
        if name not in others:
            found[name] = max(pixels.largest_difference(chip, png) for chip, png in kept)
    return found


def _memory_check(track: Track, options: Options, _facts: Facts) -> int:
    """Show asyncrgb's peak memory at a tenth of the files and at all of them."""
    counts = (max(1, options.count // 10), options.count)
    peaks: dict[int, list[int]] = {count: [] for count in counts}
    for _ in range(options.rounds):
        for count in counts:
            run = track.run(CONTENDERS[ASYNCRGB], count, 0)
            peaks[count].append(run.usage.peak_bytes)
            _say_run(run, options.rounds)
    for count in counts:
        print(f"{count:,} files: peak {_spread(peaks[count], 1e6)} MB")
    few, many = (median(peaks[count]) for count in counts)
    print(f"ratio of the medians: {many / few:.3f}")
    return 0


def _alone(track: Track, _options: Options, _facts: Facts) -> int:
    """Show how long asyncrgb takes for one chip, from cold start to exit."""
    runs = [track.run(CONTENDERS[ASYNCRGB], 1, number) for number in range(1, 2 + _ALONE_RUNS)]
    seconds = [run.usage.seconds for run in runs[1:]]
    print(f"1 file: {_spread(seconds, 1e-3)} ms")
    return 0


def _embed(track: Track, options: Options, _facts: Facts) -> int:
    """Show the loop's lag, and the latency of single images, while a folder converts."""
    from benchmarks import embedded  # noqa: PLC0415 - asyncrgb itself, which others do without

    embedded.show(str(track.source), str(track.work), options.workers, options.rounds)
    return 0


def _objects(track: Track, options: Options, _facts: Facts) -> int:
    """Convert from bucket to bucket, beside a process pool with boto3; see --store."""
    few = min(options.slow_count or options.count, options.count)
    course = objects.Course(track.source, options.count, few, options.workers, options.rounds)
    return objects.compare(course, options.store)


def _cluster(track: Track, options: Options, _facts: Facts) -> int:
    """Show what the command gives with two event loops, and on a Dask cluster started here."""
    from benchmarks import clustered  # noqa: PLC0415 - for who asks only

    places = str(track.source), str(track.work)
    clustered.show(*places, options.workers, options.count, options.rounds)
    return 0


def _spread(values: Sequence[float], unit: float) -> str:
    middle, low, high = (value / unit for value in (median(values), min(values), max(values)))
    return f"{middle:,.0f} ({low:,.0f}-{high:,.0f})"


def _say_run(run: Run, rounds: int) -> None:
    if run.round:
        _say(f"round {run.round} of {rounds}: {run.contender}: {run.rate:,.0f} chips/s")
    else:
        _say(f"memory: {run.contender}: {report.megabytes(run.usage.peak_bytes)} MB")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    listed = (CONTENDERS, SCENE_CONTENDERS, KINDS)
    names = ["".join(f"\n  {its.name:22} {its.does}" for its in every.values()) for every in listed]
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="contenders:{}\n\ncontenders on scenes:{}\n\nkinds of scenes:{}".format(*names),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_amounts(parser)
    _add_places(parser)
    _add_modes(parser)
    _add_scenes(parser)
    return parser


def _add_amounts(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--count",
        type=positive,
        default=2700,
        metavar="N",
        help="chips (default: %(default)s)",
    )
    add(
        "--slow-count",
        type=positive,
        metavar="N",
        help="chips for the tutorial's ways, rasterio and boto3 (default: all)",
    )
    add("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    add(
        "--workers",
        type=positive,
        default=report.cores(),
        metavar="N",
        help="of each contender (default: one for each processor)",
    )
    add(
        "--only",
        type=names_of(CONTENDERS | SCENE_CONTENDERS),
        metavar="NAME,NAME",
        help="these contenders",
    )
    add(
        "--before",
        type=_folder,
        metavar="DIR",
        help="another checkout of the project, whose command takes part as asyncrgb-before",
    )


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--source",
        type=_folder,
        metavar="DIR",
        help="class folders with TIFFs, which are repeated; with --scenes where those are kept",
    )
    add(
        "--stored",
        choices=list(chips.STORED),
        help="how the chips are stored (default: as they are)",
    )
    add(
        "--work",
        type=_folder,
        metavar="DIR",
        help="where to work (default: in memory if there is room)",
    )
    add("--store", metavar="URL", help="with --objects: an S3 server (default: our own)")
    add("--json", metavar="FILE", help="write all figures to FILE")
    add("--plot", metavar="FILE.png", help="draw a bar chart")


def _add_modes(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(mode=_compare)
    modes = parser.add_mutually_exclusive_group()
    each = {
        "--memory-check": _memory_check,
        "--one": _alone,
        "--embed": _embed,
        "--objects": _objects,
        "--cluster": _cluster,
    }
    for flag, mode in each.items():
        doc = (mode.__doc__ or "").removesuffix(".")
        modes.add_argument(flag, action="store_const", dest="mode", const=mode, help=doc)


def _add_scenes(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("scenes").add_argument
    add("--scenes", action="store_true", help="compare on large TIFFs instead of chips")
    add(
        "--kinds",
        type=names_of(KINDS),
        default=USUAL,
        metavar="NAME,NAME",
        help=f"default: {','.join(USUAL)}",
    )
    sizes = {"small": "5490x5490", "large": "10980x10980"}
    for name, size in sizes.items():
        add(
            f"--{name}",
            type=_size,
            default=size,
            metavar="WIDTHxHEIGHT",
            help=f"size of {name} scenes (default: %(default)s)",
        )


def _size(text: str) -> tuple[int, int]:
    parsed = re.fullmatch(r"(\d+)x(\d+)", text)
    if parsed is None:
        raise argparse.ArgumentTypeError(f"{text}: give WIDTHxHEIGHT")
    return int(parsed[1]), int(parsed[2])


def _folder(text: str) -> str:
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return text


if __name__ == "__main__":
    command_line.run(main)

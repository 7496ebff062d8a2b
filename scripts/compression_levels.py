"""Measure size and speed of each compression level, as a table.

python scripts/compression_levels.py [FOLDER OF TIFFS]
"""

import io
import sys
from pathlib import Path
from time import perf_counter

import imageio.v3 as iio
import numpy as np

from asyncrgb import RenderOptions, render

REAL_CHIPS = Path(__file__).parents[2] / "shared" / "data" / "eurosat"
WHAT = {
    0: "stored",
    1: "Up filter, ISA-L",
    2: "Paeth filter, ISA-L",
    3: "best filter of each row, ISA-L",
    4: "the same, chosen twice by cost in bits; the smaller of ISA-L and libdeflate 4",
    5: "chosen three times; libdeflate 6",
    6: "chosen four times; libdeflate 9",
    7: "the same with libdeflate 10",
    8: "the same with libdeflate 11",
    9: "the same with libdeflate 12",
}


def measure(chips: list[bytes], level: int) -> tuple[float, float]:
    """Give mean bytes and mean microseconds of a chip, decoding and stretch included."""
    options = RenderOptions(compress_level=level)
    sizes = [len(render(chip, options)) for chip in chips]
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        for chip in chips:
            render(chip, options)
        best = min(best, perf_counter() - began)
    return float(np.mean(sizes)), best / len(chips) * 1e6


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REAL_CHIPS
    chips = [path.read_bytes() for path in sorted(folder.rglob("*.tif"))]
    if not chips:
        sys.exit(f"{folder}: no TIFFs")
    pictures = [iio.imread(io.BytesIO(render(chip))) for chip in chips]
    default = np.mean([len(iio.imwrite("<bytes>", each, extension=".png")) for each in pictures])
    print(f"imageio's default: {default:,.0f} bytes")
    print("| level | mean bytes | µs a chip, one core | how |\n| --- | ---: | ---: | --- |")
    for level, how in WHAT.items():
        size, micros = measure(chips, level)
        print(f"| {level} | {size:,.0f} | {micros:,.0f} | {how} |")


if __name__ == "__main__":
    main()

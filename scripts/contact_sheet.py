"""One picture of many: rows of sample results, a row for each class.

python scripts/contact_sheet.py RESULTS SHEET.png
"""

import sys
from collections import defaultdict
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw

COLUMNS = 10
TILE = 96
GAP = 4
LABEL = 150


def by_class(results: Path) -> dict[str, list[Path]]:
    """Group the PNGs in ``results`` by what stands before the number in their names."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(results.glob("*.png")):
        groups[path.stem.rpartition("_")[0]].append(path)
    return groups


def tile(path: Path) -> Image.Image:
    """Read one result and bring it to the size of a tile."""
    return Image.fromarray(iio.imread(path)).resize((TILE, TILE), Image.Resampling.NEAREST)


def sheet(groups: dict[str, list[Path]]) -> Image.Image:
    """Draw a row of evenly chosen samples for each class, its name in front."""
    step = TILE + GAP
    picture = Image.new("RGB", (LABEL + COLUMNS * step, len(groups) * step + GAP), "white")
    draw = ImageDraw.Draw(picture)
    for row, (name, paths) in enumerate(sorted(groups.items())):
        top = GAP + row * step
        draw.text((10, top + TILE // 2 - 6), name, fill="black")
        chosen = np.linspace(0, len(paths) - 1, min(COLUMNS, len(paths))).astype(int)
        for column, index in enumerate(chosen):
            picture.paste(tile(paths[index]), (LABEL + column * step, top))
    return picture


def main() -> None:
    """Write the sheet."""
    results, target = map(Path, sys.argv[1:])
    groups = by_class(results)
    if not groups:
        sys.exit(f"{results}: no PNG files to show")
    iio.imwrite(target, np.asarray(sheet(groups)))


if __name__ == "__main__":
    main()

"""Run one contender on the chips in a folder; imports that contender's packages and no others."""

import glob
import sys

from benchmarks.contenders import CONTENDERS


def main() -> None:
    """Do what ``python -m benchmarks NAME SRC DST WORKERS`` asks for."""
    name, source, destination, workers = sys.argv[1:]
    chips = sorted(glob.glob(f"{source}/*/*.tif"))
    CONTENDERS[name].load()(chips, destination, int(workers))


if __name__ == "__main__":
    main()

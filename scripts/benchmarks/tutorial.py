"""The tutorial's code; its progress bar is left out and its path separator put right."""

from __future__ import annotations

import warnings
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from skimage import io

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BANDS = 13

warnings.simplefilter("ignore")  # it complains of low contrast


def _read_ms(img: str) -> NDArray[Any]:
    ms: NDArray[Any] = io.imread(img)
    assert ms.shape[2] == _BANDS  # noqa: S101 - so it stands in the tutorial
    return ms


def _get_rgb(ms: NDArray[Any]) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = (255 * (ms[..., (3, 2, 1)] / 4000).clip(0, 1)).astype(np.uint8)
    return rgb


def _save_png(name: str, img: NDArray[np.uint8], dest_folder: str, sep: str = "/") -> str:
    img_name = name.split(sep)[-1][:-4]  # noqa: PLC0207 - the same
    file_path = f"{dest_folder}/{img_name}.png"
    io.imsave(file_path, img)
    return file_path


def _generate_rgb(img: str, dest_folder: str) -> str:
    return _save_png(img, _get_rgb(_read_ms(img)), dest_folder)


def sequential(chips: Sequence[str], destination: str, _workers: int) -> None:
    """One image after the other."""
    for chip in chips:
        _generate_rgb(chip, destination)


def threads(chips: Sequence[str], destination: str, workers: int) -> None:
    """``ThreadPoolExecutor.map``."""
    _map(ThreadPoolExecutor(workers), chips, destination)


def processes(chips: Sequence[str], destination: str, workers: int) -> None:
    """``ProcessPoolExecutor.map``."""
    _map(ProcessPoolExecutor(workers), chips, destination)


def processes_64(chips: Sequence[str], destination: str, workers: int) -> None:
    """``ProcessPoolExecutor.map``, 64 images at a time."""
    _map(ProcessPoolExecutor(workers), chips, destination, chunksize=64)


def _map(pool: Executor, chips: Sequence[str], destination: str, chunksize: int = 1) -> None:
    with pool:
        generate = partial(_generate_rgb, dest_folder=destination)
        list(pool.map(generate, chips, chunksize=chunksize))

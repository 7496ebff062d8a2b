"""asyncrgb: RGB images from folders of multispectral satellite TIFFs, on all cores.

Names are imported when they are first used: the command's ``--help`` needs no event loop,
and a worker no more than the renderer.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncrgb.errors import (
        AsyncRgbError,
        BandError,
        CollisionError,
        DecodeError,
        EncodeError,
        LimitError,
        OptionsError,
        RenderTimeoutError,
        WorkerCrashError,
    )
    from asyncrgb.imaging import render
    from asyncrgb.options import FixedStretch, Limits, RenderOptions
    from asyncrgb.pipeline.converter import Converter, convert
    from asyncrgb.pipeline.outcomes import (
        Converted,
        Counters,
        Failed,
        Job,
        Outcome,
        Report,
        UpToDate,
    )
    from asyncrgb.pipeline.plan import count_sources
    from asyncrgb.pipeline.pool import SerialExecutor
    from asyncrgb.sample import write_samples
    from asyncrgb.sensors import COMPOSITES, SENSORS, Sensor

__all__ = [
    "COMPOSITES",
    "SENSORS",
    "AsyncRgbError",
    "BandError",
    "CollisionError",
    "Converted",
    "Converter",
    "Counters",
    "DecodeError",
    "EncodeError",
    "Failed",
    "FixedStretch",
    "Job",
    "LimitError",
    "Limits",
    "OptionsError",
    "Outcome",
    "RenderOptions",
    "RenderTimeoutError",
    "Report",
    "Sensor",
    "SerialExecutor",
    "UpToDate",
    "WorkerCrashError",
    "convert",
    "count_sources",
    "render",
    "write_samples",
]

_HOMES = {
    "errors": (
        "AsyncRgbError BandError CollisionError DecodeError EncodeError LimitError OptionsError "
        "RenderTimeoutError WorkerCrashError"
    ),
    "options": "FixedStretch Limits RenderOptions",
    "pipeline.converter": "Converter convert",
    "pipeline.outcomes": "Converted Counters Failed Job Outcome Report UpToDate",
    "pipeline.plan": "count_sources",
    "pipeline.pool": "SerialExecutor",
    "imaging": "render",
    "sample": "write_samples",
    "sensors": "COMPOSITES SENSORS Sensor",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__

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
        StoreError,
        WorkerCrashError,
    )
    from asyncrgb.exposure import Exposure
    from asyncrgb.formats import FORMATS
    from asyncrgb.imaging.chip import render
    from asyncrgb.imaging.describing import describe
    from asyncrgb.imaging.description import BandDescription, Description
    from asyncrgb.imaging.statistics import Statistics
    from asyncrgb.limits import Limits
    from asyncrgb.options import PRESETS, RenderOptions
    from asyncrgb.pipeline.converter import Converter
    from asyncrgb.pipeline.doors import convert, measure, run
    from asyncrgb.pipeline.events import (
        Event,
        MemoryReduced,
        SceneAdvanced,
        WorkersFailed,
        WorkersReplaced,
        WorkersStarted,
    )
    from asyncrgb.pipeline.folders.plan import count_sources
    from asyncrgb.pipeline.meters.insight import Insight
    from asyncrgb.pipeline.outcomes import (
        Converted,
        Counters,
        Failed,
        Job,
        Measured,
        Outcome,
        Pending,
        Report,
        Trace,
        UpToDate,
    )
    from asyncrgb.pipeline.storage.fetching import fetch
    from asyncrgb.pipeline.workers.pool import SerialExecutor
    from asyncrgb.sample import write_samples
    from asyncrgb.sample.scene import write_scene
    from asyncrgb.sensors import COMPOSITES, SENSORS, Sensor
    from asyncrgb.stretches import FixedStretch, PercentileStretch

__all__ = [
    "COMPOSITES",
    "FORMATS",
    "PRESETS",
    "SENSORS",
    "AsyncRgbError",
    "BandDescription",
    "BandError",
    "CollisionError",
    "Converted",
    "Converter",
    "Counters",
    "DecodeError",
    "Description",
    "EncodeError",
    "Event",
    "Exposure",
    "Failed",
    "FixedStretch",
    "Insight",
    "Job",
    "LimitError",
    "Limits",
    "Measured",
    "MemoryReduced",
    "OptionsError",
    "Outcome",
    "Pending",
    "PercentileStretch",
    "RenderOptions",
    "RenderTimeoutError",
    "Report",
    "SceneAdvanced",
    "Sensor",
    "SerialExecutor",
    "Statistics",
    "StoreError",
    "Trace",
    "UpToDate",
    "WorkerCrashError",
    "WorkersFailed",
    "WorkersReplaced",
    "WorkersStarted",
    "convert",
    "count_sources",
    "describe",
    "fetch",
    "measure",
    "render",
    "run",
    "write_samples",
    "write_scene",
]

_HOMES = {
    "errors": (
        "AsyncRgbError BandError CollisionError DecodeError EncodeError LimitError OptionsError "
        "RenderTimeoutError StoreError WorkerCrashError"
    ),
    "exposure": "Exposure",
    "formats": "FORMATS",
    "imaging.describing": "describe",
    "imaging.description": "BandDescription Description",
    "imaging.statistics": "Statistics",
    "limits": "Limits",
    "options": "PRESETS RenderOptions",
    "pipeline.converter": "Converter",
    "pipeline.doors": "convert measure run",
    "pipeline.events": (
        "Event MemoryReduced SceneAdvanced WorkersFailed WorkersReplaced WorkersStarted"
    ),
    "pipeline.storage.fetching": "fetch",
    "pipeline.meters.insight": "Insight",
    "pipeline.outcomes": (
        "Converted Counters Failed Job Measured Outcome Pending Report Trace UpToDate"
    ),
    "pipeline.folders.plan": "count_sources",
    "pipeline.workers.pool": "SerialExecutor",
    "imaging.chip": "render",
    "sample": "write_samples",
    "sample.scene": "write_scene",
    "sensors": "COMPOSITES SENSORS Sensor",
    "stretches": "FixedStretch PercentileStretch",
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

"""Everything asyncrgb raises on its own account.

Every field of an error travels through its ``args``: an exception that takes
keyword-only arguments cannot be unpickled, and one that cannot be unpickled takes a
whole process pool down with it. Faults of the operating system stay ``OSError``, and those of
object stores are a kind of it.
"""


class AsyncRgbError(Exception):
    """Base of all errors of this package."""


class OptionsError(AsyncRgbError, ValueError):
    """An option has a value that cannot be used; raised before anything is read or written."""


class DecodeError(AsyncRgbError):
    """The bytes are not a TIFF, are damaged, or use a feature that cannot be decoded."""


class BandError(AsyncRgbError):
    """The image has no band of the number asked for."""


class LimitError(AsyncRgbError):
    """The image needs more than a limit allows."""


class EncodeError(AsyncRgbError):
    """The rendered pixels cannot be stored in the output format."""


class CollisionError(AsyncRgbError):
    """An output is taken: by another source, or by a picture that asyncrgb has not made."""


class WorkerCrashError(AsyncRgbError):
    """A worker process died while it rendered the image."""


class RenderTimeoutError(AsyncRgbError):
    """The image took longer than ``Limits.timeout`` allows."""


class StoreError(OSError):
    """An object store does not do what it is asked; the text says why, and what to do.

    ``errno`` is that of the like for files, ``filename`` is the URL, without what gives access.
    """

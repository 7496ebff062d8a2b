"""Which storage a path belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncrgb.pipeline.storage.storage import LocalFiles
from asyncrgb.urls import is_url

if TYPE_CHECKING:
    from asyncrgb.pipeline.storage.storage import Files, Objects, Storage


class Places:
    """The storage of each path: files of this machine, or, where it is a URL, objects.

    Args:
        files: for all that are no URLs.

    Attributes:
        files: the same.

    """

    def __init__(self, files: Files | None = None) -> None:
        self.files: Files = files or LocalFiles()
        self._objects: Objects | None = None

    def of(self, path: str) -> Storage:
        """Give the storage of ``path``.

        Raises:
            OptionsError: it is a URL, and what that needs is not installed.

        """
        return self.objects if is_url(path) else self.files

    @property
    def far(self) -> bool:
        """Whether there have been URLs, so that finding things out takes its time."""
        return self._objects is not None

    @property
    def objects(self) -> Objects:
        """Give the storage of URLs, which is there from the first of them on.

        Raises:
            OptionsError: what it needs is not installed.

        """
        if self._objects is None:
            from asyncrgb.pipeline.storage.objects.storage import (  # noqa: PLC0415 - loads obstore
                ObjectStorage,
            )

            self._objects = ObjectStorage()
        return self._objects

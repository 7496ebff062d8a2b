"""Stores of obstore, one for each bucket: found, and opened with what the environment says.

Where a store is, and who asks, is never an option of ours. obstore reads the variables of each
provider (``AWS_…``, ``GOOGLE_…``, ``AZURE_…``), and asks the metadata service of the machine. Of
what boto3 reads besides, a profile that is named in ``AWS_PROFILE`` is honoured through boto3.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from asyncrgb.errors import OptionsError
from asyncrgb.pipeline.storage.objects.location import WEB, located

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

    from asyncrgb.pipeline.storage.objects.location import Location

    Store = AzureStore | GCSStore | HTTPStore | S3Store

# A request that gets no byte for so long is asked once more; large objects take their time.
_SILENCE: Final = "30s"
_REQUEST: Final = "300s"
_CONNECT: Final = "5s"
_RETRIES: Final = 6
_RETRY_SECONDS: Final = 120
_MISSING: Final = "object stores need obstore: pip install obstore"
_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_USER: Final = re.compile(r"(\w+://)([^/@]*)@")
_REMEDIES: Final = {
    "s3": "check AWS_ENDPOINT_URL and the like",
    "gs": "check GOOGLE_APPLICATION_CREDENTIALS and the like",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and what gives access to it",
}
_KEYS: Final = "AWS_ACCESS_KEY_ID"


class Stores:
    """The stores that have been asked for; may be used on several threads at once.

    Raises:
        OptionsError: obstore is not installed.

    """

    def __init__(self) -> None:
        try:
            import obstore.store  # noqa: F401, PLC0415 - only where a URL is given
        except ImportError as error:
            raise OptionsError(_MISSING) from error
        self._stores: dict[tuple[str, str], Store] = {}
        self._opening = Lock()

    def at(self, url: str) -> tuple[Store, Location]:
        """Give the store of a URL, and what is meant in it.

        Raises:
            OptionsError: the URL names no bucket, or the store cannot be opened.

        """
        location = located(url)
        name = location.scheme, location.root
        store = self._stores.get(name)
        if store is None:
            with self._opening:
                store = self._stores[name] = self._stores.get(name) or _opened(location)
        return store, location


def _opened(location: Location) -> Store:
    try:
        return _open(location)
    except OptionsError:
        raise
    except Exception as error:  # noqa: BLE001 - it refuses options in many ways
        from asyncrgb.pipeline.storage.objects.faults import told  # noqa: PLC0415 - loads obstore

        reason, remedy = told(error), _REMEDIES.get(location.scheme, "check the URL")
        raise OptionsError(
            f"{location.shown}: the store cannot be opened: {reason}: {remedy}"
        ) from None


def _open(location: Location) -> Store:
    from obstore import store  # noqa: PLC0415 - only where a URL is given

    common: dict[str, Any] = {"retry_config": _retrying(), "client_options": _client(location)}
    if location.scheme == "s3":
        return store.S3Store(location.root, credential_provider=_profile(), **common)
    if location.scheme == "gs":
        return store.GCSStore(location.root, **common)
    if location.scheme == "az":
        return store.AzureStore(location.root, **common)
    return store.HTTPStore(_USER.sub(r"\1", location.root), **common)


def _retrying() -> dict[str, Any]:
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=5)}
    return {
        "max_retries": _RETRIES,
        "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        "backoff": {**backoff, "base": 2},
    }


def _client(location: Location) -> dict[str, Any]:
    options: dict[str, Any] = {
        "connect_timeout": _CONNECT,
        "read_timeout": _SILENCE,
        "timeout": _REQUEST,
    }
    endpoints = [os.environ[each] for each in _ENDPOINTS if os.environ.get(each)]
    address = location.root if location.scheme in WEB else (endpoints or [""])[0]
    if address.lower().startswith("http://"):  # who writes that means it
        options["allow_http"] = True
    if location.scheme in WEB and (user := _USER.match(location.root)):
        named = b64encode(unquote(user[2]).encode()).decode()
        options["default_headers"] = {"Authorization": f"Basic {named}"}
    return options


def _profile() -> Any:  # noqa: ANN401 - boto3 has no types
    """Have boto3 find the keys of a profile that is named, where no keys are given outright."""
    name = os.environ.get("AWS_PROFILE")
    if not name or os.environ.get(_KEYS):
        return None
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - may be missing
    except ImportError:
        raise OptionsError(
            f"AWS_PROFILE names the profile {name!r}, which needs boto3: pip install boto3, or "
            "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from None
    return Boto3CredentialProvider()

"""The errors: they cross process boundaries whole, and can be caught as one family."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from asyncrgb import errors

FAMILY = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, errors.AsyncRgbError)
]


def raise_again(error: errors.AsyncRgbError) -> None:
    raise error


def test_the_family_is_complete() -> None:
    assert {error.__name__ for error in FAMILY} == {
        "AsyncRgbError",
        "BandError",
        "CollisionError",
        "DecodeError",
        "EncodeError",
        "LimitError",
        "OptionsError",
        "RenderTimeoutError",
        "WorkerCrashError",
    }


@pytest.mark.parametrize("error", FAMILY)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickling(error: type[errors.AsyncRgbError], protocol: int) -> None:
    copy = pickle.loads(pickle.dumps(error("band 14 is not there"), protocol))  # noqa: S301 - our own

    assert type(copy) is error
    assert str(copy) == "band 14 is not there"
    assert copy.args == ("band 14 is not there",)


def test_errors_come_back_from_a_worker_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for error in FAMILY:
            with pytest.raises(error, match=f"^{error.__name__} of a worker$"):
                pool.submit(raise_again, error(f"{error.__name__} of a worker")).result()


@pytest.mark.parametrize("error", FAMILY)
def test_one_name_catches_all(error: type[errors.AsyncRgbError]) -> None:
    assert issubclass(error, errors.AsyncRgbError)
    assert not issubclass(error, OSError)
    assert error.__doc__


def test_a_wrong_option_is_a_wrong_value() -> None:
    assert issubclass(errors.OptionsError, ValueError)


def test_an_error_of_a_store_survives_pickling_with_its_url() -> None:
    error = errors.StoreError(13, "access is denied", "s3://bucket/key")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(copy) is errors.StoreError
    assert (copy.errno, copy.strerror, copy.filename) == (
        error.errno,
        error.strerror,
        error.filename,
    )

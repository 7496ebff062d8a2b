"""Work that nobody awaits: its errors are told, and it can be waited for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from asyncrgb.pipeline.background import Background

if TYPE_CHECKING:
    from tests.pipeline.conftest import Run


class OwnError(Exception):
    pass


async def _fails() -> None:
    raise OwnError


def test_what_a_task_raises_is_told(run: Run) -> None:
    async def it() -> None:
        errors: list[BaseException] = []
        background = Background(errors.append)
        background.spawn(_fails())
        await background.rest()
        assert [type(each) for each in errors] == [OwnError]
        assert len(background) == 0

    run(it())


def test_what_follows_on_a_future_is_waited_for_and_its_errors_are_told(run: Run) -> None:
    async def it() -> None:
        errors: list[BaseException] = []
        seen: list[int] = []
        background = Background(errors.append)
        loop = asyncio.get_running_loop()
        first, second = loop.create_future(), loop.create_future()

        def fail(work: asyncio.Future[int]) -> None:
            seen.append(work.result())
            raise OwnError

        def go_on(work: asyncio.Future[int]) -> None:
            seen.append(work.result())
            background.follow(second, fail)

        background.follow(first, go_on)
        await background.rest(0.01)
        assert len(background) == 1
        assert not seen
        loop.call_soon(first.set_result, 1)
        loop.call_later(0.01, second.set_result, 2)
        await background.rest()
        assert seen == [1, 2]
        assert [type(each) for each in errors] == [OwnError]
        assert len(background) == 0

    run(it())


@pytest.mark.parametrize("cancelled", [False, True])
def test_what_fails_itself_is_handed_over(run: Run, cancelled: bool) -> None:
    async def it() -> None:
        errors: list[BaseException] = []
        seen: list[asyncio.Future[None]] = []
        background = Background(errors.append)
        work = asyncio.get_running_loop().create_future()
        background.follow(work, seen.append)
        work.cancel() if cancelled else work.set_exception(OwnError())
        await background.rest()
        assert seen == [work]
        assert work.cancelled() or isinstance(work.exception(), OwnError)
        assert not errors

    run(it())

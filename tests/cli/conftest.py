"""What the tests of the command have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.forked import end_forks


@pytest.fixture(scope="module", autouse=True)
def _forks() -> Iterator[None]:
    yield
    end_forks()

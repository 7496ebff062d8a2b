"""When a worker looks at how a picture came out."""

from __future__ import annotations

from itertools import pairwise

import pytest

from asyncrgb.pipeline.workers.timing import Looks


def test_looks_come_often_at_first_and_less_often_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr("asyncrgb.pipeline.workers.timing.monotonic", lambda: now)
    looks, moments = Looks(), []
    while now < 80:
        if looks.due:
            moments.append(now)
            looks.note()
        now += 0.01
    pauses = [later - sooner for sooner, later in pairwise(moments)]
    assert moments[0] == 50, "the first picture of all"
    assert sum(moment < 51 for moment in moments) >= 10
    assert all(b > a - 0.011 for a, b in pairwise(pauses))
    assert pauses[-1] == pytest.approx(1, abs=0.011)

"""The clock for deadlines goes on while the machine sleeps, as the ledger's does, in which a lease runs out meanwhile."""

from __future__ import annotations

import time

import pytest

from syndication import clock


def test_a_machine_that_slept_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, counts_sleep = time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = clock.monotonic()
    slept = 3_600.0
    monkeypatch.setattr(time, "clock_gettime", lambda which: asked(which) + slept * (which == counts_sleep))
    assert clock.monotonic() >= before + slept

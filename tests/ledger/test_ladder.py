"""The ladder of waits: its steps, its jitter, and what a wait of the answer's own does to it."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syndication.ledger.ladder import JITTER, wait, whole

LADDER = (300, 1800, 7200)


@given(st.integers(1, 3), st.integers(1, 10**9))
def test_never_sooner_than_the_step_and_at_most_a_fifth_later(tries: int, delivery: int) -> None:
    step = LADDER[tries - 1]
    assert timedelta(seconds=step) <= wait(LADDER, tries, delivery) <= timedelta(seconds=step * (1 + JITTER))


@given(st.integers(1, 9), st.integers(1, 10**9))
def test_the_same_delivery_and_try_wait_equally_long(tries: int, delivery: int) -> None:
    assert wait(LADDER, tries, delivery) == wait(LADDER, tries, delivery)


def test_a_thousand_refused_at_once_come_back_spread_out() -> None:
    seconds = sorted(wait(LADDER, 1, delivery).total_seconds() for delivery in range(1_000))
    gaps = [later - sooner for sooner, later in pairwise(seconds)]
    assert max(gaps) < 1.0, "60 s of jitter for a thousand"
    assert wait(LADDER, 1, 7) != wait(LADDER, 2, 7) / 6, "each try has its own"


def test_the_answers_own_wait_counts_at_first_and_never_shortens_a_later_step() -> None:
    asked = [wait(LADDER, tries, 1, own_seconds=600).total_seconds() for tries in (1, 2, 3)]
    for seconds, step in zip(asked, (600, 1800, 7200), strict=True):
        assert step <= seconds <= step * (1 + JITTER)
    assert wait(LADDER, 1, 1, own_seconds=5) < timedelta(seconds=7), "sooner than the ladder's first step"


def test_the_whole() -> None:
    assert whole(LADDER) == timedelta(seconds=9_300)

"""The pace of a destination, as plain data: slower, faster, stopped, blocked, released; and the turns that it gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from syndication.mail.pacing import FORGOTTEN_AFTER, MOST_AT_ONCE, Heard, Pace, after, is_over, released, slots

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=10)


def heard(at: datetime = NOW, seconds: float = 1.0, **counts: int) -> Heard:
    return Heard(at, seconds, **counts)  # type: ignore[arg-type]


def slow(took: float = 40.0) -> Pace:
    pace = after(None, heard(sent=round(took), slow=9), NOW, STEP)
    assert pace is not None
    return pace


def test_a_healthy_destination_has_no_pace() -> None:
    assert after(None, heard(sent=500), NOW, STEP) is None


def test_a_complaint_halves_what_was_taken() -> None:
    assert (slow().state, slow().rate, slow().took) == ("slow", 20.0, 40.0)
    again = after(slow(), heard(NOW + STEP, sent=5, slow=1), NOW + STEP, STEP)
    assert again is not None
    assert again.rate == 10.0


def test_a_complaint_about_the_rate_before_counts_once() -> None:
    late = heard(NOW - timedelta(seconds=1), sent=5, slow=30)
    assert after(slow(), late, NOW + timedelta(seconds=2), STEP) == slow()


def test_a_tenth_more_with_each_step_until_it_is_free() -> None:
    pace: Pace | None = slow()
    rates, now = [], NOW
    while pace is not None and len(rates) < 100:
        rates.append(pace.rate)
        now += STEP
        soon = after(pace, heard(now, sent=3), now - STEP / 2, STEP)
        assert soon == pace, "not before the step is over"
        pace = after(pace, heard(now, sent=3), now, STEP)
    assert {round(later - sooner, 6) for sooner, later in pairwise(rates)} == {4.0}
    assert 70 < rates[-1] < 80, "free at twice what it took"


def test_without_success_it_gets_no_faster() -> None:
    assert after(slow(), heard(NOW + STEP), NOW + STEP, STEP) == slow()


def test_stop_then_one_at_a_time_then_one_more() -> None:
    stopped = after(None, heard(sent=90, stop=2, pause_seconds=600), NOW, STEP)
    assert stopped is not None
    assert (stopped.state, stopped.most, stopped.paused_until) == ("stopped", 1, NOW + timedelta(minutes=10))
    now = NOW + timedelta(minutes=10)
    pace = after(stopped, heard(now, sent=1), now, STEP)
    most = []
    while pace is not None and pace.state == "opening":
        most.append(pace.most)
        now += STEP
        pace = after(pace, heard(now, sent=1), now, STEP)
    assert most == list(range(1, MOST_AT_ONCE + 1))
    assert pace is not None
    assert (pace.state, pace.most) == ("slow", None)


def test_a_block_lasts_until_it_is_released_or_a_probe_gets_through() -> None:
    blocked = after(None, heard(sent=2, blocked=8, reply="550 5.7.1 blocked"), NOW, STEP)
    assert blocked is not None
    assert (blocked.state, blocked.reply) == ("blocked", "550 5.7.1 blocked")
    waits, pace, now = [], blocked, NOW
    for _ in range(6):
        assert pace is not None
        assert pace.paused_until is not None
        waits.append((pace.paused_until - now) / timedelta(hours=1))
        now = pace.paused_until
        pace = after(pace, heard(now, blocked=1), now, STEP)
    assert waits == [1, 2, 4, 8, 12, 12]
    through = after(blocked, heard(NOW + STEP, sent=1), NOW + STEP, STEP)
    assert through is not None
    assert (through.state, through.most, through.paused_until) == ("opening", 1, None)
    free = released(replace(blocked, took=50.0), NOW)
    assert (free.state, free.rate, free.paused_until) == ("slow", 25.0, None)


def test_a_few_refusals_among_many_are_no_block() -> None:
    assert after(None, heard(sent=100, blocked=8), NOW, STEP) is None
    assert after(None, heard(sent=0, blocked=2), NOW, STEP) is None


@given(st.floats(0.2, 500), st.integers(1, 400), st.integers(0, 60))
def test_turns_keep_the_rate_and_are_never_given_twice(rate: float, wanted: int, ahead: int) -> None:
    pace = replace(slow(), rate=rate, next_free=NOW + timedelta(seconds=ahead))
    given, free = slots(pace, NOW, wanted, STEP)
    more, _ = slots(replace(pace, next_free=free), NOW, wanted, STEP)
    every = given + more
    assert all(later - sooner >= timedelta(seconds=1 / rate) * 0.999 for sooner, later in pairwise(every))
    assert all(NOW <= at <= NOW + STEP for at in every)
    assert len(every) <= STEP.total_seconds() * rate + 2


def test_what_was_said_long_ago_is_forgotten_but_a_block_is_not() -> None:
    later = NOW + FORGOTTEN_AFTER + STEP
    assert is_over(slow(), later)
    assert not is_over(replace(slow(), state="blocked"), later)


def test_a_pile_is_not_let_loose_on_who_asked_for_less() -> None:
    pace: Pace | None = slow(took=10)
    rates, now = [], NOW
    for _ in range(40):
        assert pace is not None
        rates.append(pace.rate)
        now += STEP
        pace = after(pace, heard(now, sent=3, more_waits=True), now, STEP)
    assert rates[-1] > 40, "it gets what it takes"
    assert all(later <= 1.2 * sooner for sooner, later in pairwise(rates)), "step by step"
    assert pace is not None
    assert after(replace(pace, rate=2 * pace.took), heard(now + STEP, sent=3), now + STEP, STEP) is None


def test_what_was_taken_before_it_said_stop_opens_nothing() -> None:
    stopped = after(slow(), heard(NOW + STEP, stop=2, pause_seconds=600), NOW + STEP, STEP)
    blocked = after(slow(), heard(NOW + STEP, blocked=8), NOW + STEP, STEP)
    for pace in (stopped, blocked):
        assert pace is not None
        assert after(pace, heard(NOW, sent=9), NOW + 2 * STEP, STEP) == pace


def test_who_takes_everything_is_free_in_the_end_whoever_waits() -> None:
    pace: Pace | None = slow(took=10)
    now, steps = NOW, 0
    while pace is not None and steps < 200:
        now, steps = now + STEP, steps + 1
        pace = after(pace, heard(now, sent=3, more_waits=True), now, STEP)
    assert pace is None
    assert steps > 40


def test_a_paced_destination_that_refuses_one_by_one_is_blocked_as_well() -> None:
    """It is given so few at a time that no slice holds three."""
    pace: Pace | None = slow()
    states = []
    for second, counts in enumerate(({"blocked": 1}, {"sent": 1}, {"blocked": 1}, {"blocked": 1}, {"blocked": 1}), 1):
        pace = after(pace, heard(NOW + timedelta(seconds=second), **counts), NOW + timedelta(seconds=second), STEP)
        assert pace is not None
        states.append(pace.state)
    assert states == ["slow", "slow", "slow", "slow", "blocked"]
    assert pace is not None
    assert pace.probes == 0

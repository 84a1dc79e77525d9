"""What an answer means, with plain data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from syndication.push.answer import LONGEST_WAIT, Answer, judge_courtesy, judge_document, judge_verify, wait_before

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.integers(0, 599), st.integers(0, 40), st.integers(1, 10**7), st.floats(0, 0.999))
def test_a_document_is_owed_until_the_lease_ends(status: int, attempts: int, lease: int, chance: float) -> None:
    until = NOW + timedelta(seconds=lease)
    verdict = judge_document(Answer(status, ""), attempts, NOW, until, chance)
    if 200 <= status < 300:
        assert verdict.state == "done"
    elif status == 410:
        assert verdict.state == "gone"
    elif verdict.state == "pending":
        assert verdict.again is not None
        assert NOW < verdict.again < until
    else:
        assert verdict.state == "failed"
        assert NOW + wait_before(attempts + 2, chance) >= until


@given(st.integers(0, 599), st.integers(0, 9), st.sampled_from([b"abc", b" abc\n", b"abcd", b"xabc", b"ABC", b""]))
def test_only_the_challenge_agrees(status: int, attempts: int, body: bytes) -> None:
    state = judge_verify(Answer(status, "", body), "abc", attempts, NOW, 0.5).state
    if 200 <= status < 300:
        assert state == ("done" if body.strip() == b"abc" else "failed")
    elif 0 < status < 500 and status != 429:
        assert state == "failed"
    else:  # it has not said anything
        assert state == ("pending" if attempts < 3 else "failed")


def test_waits_grow_to_six_hours() -> None:
    waits = [wait_before(n, 0.5) for n in range(2, 12)]
    assert waits[:3] == [timedelta(seconds=10), timedelta(seconds=40), timedelta(seconds=160)]
    assert waits[-1] == LONGEST_WAIT
    assert wait_before(10_000, 0.5) == LONGEST_WAIT
    assert wait_before(2, 0.0) == timedelta(seconds=8)  # who failed together do not come back together
    assert wait_before(2, 1.0) == timedelta(seconds=12)


def test_the_first_that_is_not_taken_comes_again_after_ten_seconds() -> None:
    silent, day = Answer(0, "no answer"), NOW + timedelta(days=1)
    for attempts, seconds in ((0, 10), (1, 40), (2, 160)):
        again = NOW + timedelta(seconds=seconds)
        assert judge_document(silent, attempts, NOW, day, 0.5).again == again
        assert judge_verify(silent, "x", attempts, NOW, 0.5).again == again
        assert judge_courtesy(silent, attempts, NOW, 0.5).again == again

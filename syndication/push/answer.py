"""What a machine's answer to a push means, and when a push that was not taken is tried again. Pure.

W3C WebSub §7: 2xx is success; a redirect is a failure; 410 may end the subscription; others are tried again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=6)
ASKED_TIMES = 4  # a verification that gets no answer; then whoever asked may ask again


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` 0: there was none, and `words` says why. `body` is read for a verification alone, its first bytes."""

    status: int
    words: str
    body: bytes = b""

    @property
    def said(self) -> str:
        return f"{self.status} {self.words}".strip() if self.status else self.words


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state` is a push's next one: done | gone | failed | pending; `again` is when a pending one is due."""

    state: str
    answer: str
    again: datetime | None = None


def wait_before(attempt: int, chance: float) -> timedelta:
    """Before try `attempt` (2, 3, …): ten seconds, four times as long each time, at most six hours; ± 20 % by `chance`
    in [0, 1), so that those who failed together do not come back together."""
    wait: timedelta = min(FIRST_WAIT * 4 ** min(attempt - 2, 12), LONGEST_WAIT)
    return wait * (0.8 + 0.4 * chance)


def judge_document(answer: Answer, attempts: int, now: datetime, lease_until: datetime, chance: float) -> Verdict:
    """A document's: retried until the lease ends (WebSub §7). `attempts` before this one."""
    if 200 <= answer.status < 300:
        return Verdict("done", answer.said)
    if answer.status == 410:
        return Verdict("gone", answer.said)
    again = now + wait_before(attempts + 2, chance)
    if again >= lease_until:
        return Verdict("failed", f"{answer.said}; the lease ends before another try")
    return Verdict("pending", answer.said, again)


def judge_verify(answer: Answer, challenge: str, attempts: int, now: datetime, chance: float) -> Verdict:
    """A verification's (WebSub §5.3): 2xx with the challenge and nothing else agrees; anything else that is an answer
    refuses; silence and 5xx are asked again a few times."""
    if 200 <= answer.status < 300:
        if answer.body.strip() == challenge.encode():
            return Verdict("done", answer.said)
        return Verdict("failed", "the callback did not return the challenge")
    if answer.status and answer.status < 500 and answer.status != 429:
        return Verdict("failed", f"the callback refused: {answer.said}")
    return judge_courtesy(answer, attempts, now, chance)


def judge_courtesy(answer: Answer, attempts: int, now: datetime, chance: float) -> Verdict:
    """A denial's or a ping's: tried a few times, then let go."""
    if 200 <= answer.status < 300:
        return Verdict("done", answer.said)
    if attempts + 1 >= ASKED_TIMES:
        return Verdict("failed", f"given up after {attempts + 1} tries: {answer.said}")
    return Verdict("pending", answer.said, now + wait_before(attempts + 2, chance))

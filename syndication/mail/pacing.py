"""How fast a destination that asked for less is sent to, and when it may have the next message. Pure.

A healthy destination has no pace at all. One that asks for less gets half of what it took, a tenth more with each step that
brings no complaint, and is free again at twice what it took, unless a pile waits for it: that would come all at once, so it
gets more step by step as long as it takes it (additive increase, multiplicative decrease). One that says stop
is left alone, then gets one message at a time, then two. One that refuses mail as such is paused until somebody releases it;
one message in an hour, then two, four … asks whether it still does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

State = Literal["slow", "stopped", "opening", "blocked"]

LEAST_RATE = 0.2  # messages a second
FIRST_RATE = 1.0  # after a stop
FIRST_TOOK = 10.0  # at least: a slice is a small sample, and a second complaint halves the rate again
SHARE = 0.1  # of what it took, more with each step
FREE_AT = 2.0  # times what it took
FASTEST = 1_000.0  # messages a second; who takes so many is free, whoever waits
BREATH = timedelta(seconds=1)  # after a complaint
MOST_AT_ONCE = 10  # then the rate alone counts
BLOCKS = 3  # refusals of our mail as such in a slice, and more than it took; where it is paced, since it took any
PROBE_AFTER, LONGEST_PROBE = timedelta(hours=1), timedelta(hours=12)
FORGOTTEN_AFTER = timedelta(days=1)  # without mail to it


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` in messages a second; `took` is what it took when it first complained; `most` messages under way at once (None:
    the rate alone counts); nothing goes before `paused_until`; the next slot that is free is at `next_free`. `probes` of a
    blocked one were refused; of others `probes` are refusals of our mail as such since one was taken."""

    state: State
    rate: float
    took: float
    since: datetime
    next_free: datetime
    lowered_at: datetime
    raised_at: datetime
    most: int | None = None
    paused_until: datetime | None = None
    probes: int = 0
    reply: str = ""

    @property
    def is_open(self) -> bool:
        """Whether mail flows, however slowly."""
        return self.state in {"slow", "opening"}


@dataclass(slots=True)
class Heard:
    """What one slice's answers said of one destination. `asked_at`: when the slice was let go; `seconds` it took.
    `more_waits`: somebody is left who waits for it."""

    asked_at: datetime
    seconds: float
    sent: int = 0
    slow: int = 0
    stop: int = 0
    blocked: int = 0
    pause_seconds: int = 0
    reply: str = ""
    more_waits: bool = False


def after(pace: Pace | None, heard: Heard, now: datetime, step: timedelta) -> Pace | None:
    """The pace from now on; None: no restriction (any more)."""
    took = heard.sent / max(1.0, heard.seconds)
    blocked = pace is not None and pace.state == "blocked"
    refused = heard.blocked + (pace.probes if pace is not None and not heard.sent else 0)
    if heard.blocked and (blocked or (refused >= BLOCKS and refused > heard.sent)):
        return _blocked(pace, heard, took, now)
    if pace is not None and not blocked:
        pace = replace(pace, probes=refused if not heard.sent else 0)
    if heard.stop:
        before = pace.took if pace is not None else took
        return Pace(
            "stopped", FIRST_RATE, max(FIRST_RATE, before), since=pace.since if pace else now, next_free=now, lowered_at=now,
            raised_at=now, most=1, paused_until=now + timedelta(seconds=heard.pause_seconds), reply=heard.reply,
        )  # fmt: skip
    if heard.slow:
        return _slower(pace, heard, took, now)
    if pace is None or not heard.sent:
        return pace
    return _faster(pace, heard, now, step)


def released(pace: Pace, now: datetime) -> Pace:
    """Somebody has looked into it: half of what it took, as after a complaint."""
    took = max(FIRST_TOOK, pace.took)
    return replace(
        pace, state="slow", rate=took / 2, took=took, most=None, paused_until=None, probes=0, next_free=now, lowered_at=now,
        raised_at=now,
    )  # fmt: skip


def slots(pace: Pace, now: datetime, wanted: int, horizon: timedelta) -> tuple[list[datetime], datetime]:
    """Instants at which `wanted` more messages may go, as many as there are within the horizon; and what is free then."""
    gap = timedelta(seconds=1 / pace.rate)
    free = max(pace.next_free, now)
    given: list[datetime] = []
    while len(given) < wanted and free <= now + horizon:
        given.append(free)
        free += gap
    return given, free


def is_over(pace: Pace, now: datetime) -> bool:
    """Nothing was sent to it for so long that what it said is no guide any more. A blocked one is not forgotten."""
    return pace.is_open and now - max(pace.raised_at, pace.lowered_at, pace.next_free) > FORGOTTEN_AFTER


def _blocked(pace: Pace | None, heard: Heard, took: float, now: datetime) -> Pace:
    probes = pace.probes + 1 if pace is not None and pace.state == "blocked" else 0
    if pace is not None and pace.state == "blocked" and heard.asked_at < pace.lowered_at:
        return pace  # was on its way when it was blocked
    return Pace(
        "blocked", FIRST_RATE, pace.took if pace else took, since=pace.since if pace else now, next_free=now, lowered_at=now,
        raised_at=now, most=1, paused_until=now + min(LONGEST_PROBE, PROBE_AFTER * 2**probes), probes=probes,
        reply=heard.reply,
    )  # fmt: skip


def _slower(pace: Pace | None, heard: Heard, took: float, now: datetime) -> Pace:
    if pace is not None and (heard.asked_at < pace.lowered_at or not pace.is_open):
        return pace  # it speaks of the rate before
    took = max(LEAST_RATE, pace.rate) if pace is not None else max(FIRST_TOOK, took)
    rate = max(LEAST_RATE, took / 2)
    return Pace(
        "slow", rate, took, since=pace.since if pace else now, next_free=now + max(BREATH, timedelta(seconds=1 / rate)),
        lowered_at=now, raised_at=now, reply=heard.reply,
    )  # fmt: skip


def _faster(pace: Pace, heard: Heard, now: datetime, step: timedelta) -> Pace | None:
    if not pace.is_open and heard.asked_at < pace.lowered_at:
        return pace  # taken before it said stop
    if not pace.is_open:  # the one message that was let through after the pause, or as a probe
        return replace(pace, state="opening", rate=FIRST_RATE, most=1, paused_until=None, probes=0, raised_at=now)
    if now - pace.raised_at < step:
        return pace
    if pace.state == "opening":
        most = (pace.most or 0) + 1
        if most > MOST_AT_ONCE:
            return replace(pace, state="slow", rate=pace.rate + FIRST_RATE, most=None, raised_at=now)
        return replace(pace, rate=pace.rate + FIRST_RATE, most=most, raised_at=now)
    took = max(FIRST_RATE, pace.took)
    rate = pace.rate + SHARE * took
    if rate < FREE_AT * took:
        return replace(pace, rate=rate, raised_at=now)
    return replace(pace, rate=rate, took=rate, raised_at=now) if heard.more_waits and rate < FASTEST else None

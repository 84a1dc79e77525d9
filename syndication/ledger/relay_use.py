"""What went through each relay that has limits: counted in the ledger, so that all workers together keep them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from syndication.ledger.base import Base
from syndication.ledger.db import ledger_now

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class RelayUse(Base):
    """One relay. Hours and days are those of UTC; `day` and `hour` say which ones the counts are of."""

    __tablename__ = "relay_use"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    first_used: Mapped[datetime]
    day: Mapped[datetime]
    in_day: Mapped[int] = mapped_column(default=0)
    hour: Mapped[datetime]
    in_hour: Mapped[int] = mapped_column(default=0)
    next_free: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Limits:
    """0: none. `warmup`: messages on the first day of use, the second, …; behind it `per_day` alone counts."""

    per_second: float = 0.0
    per_hour: int = 0
    per_day: int = 0
    warmup: tuple[int, ...] = ()

    def of_day(self, days_in_use: int) -> int:
        """The most messages of that day, 0 for any number."""
        warm = self.warmup[days_in_use] if days_in_use < len(self.warmup) else 0
        return min(filter(None, (warm, self.per_day)), default=0)


class Share(NamedTuple):
    """So many `messages` may go, `in_seconds` from now; where none may, again at `again_at`."""

    messages: int
    in_seconds: float = 0.0
    again_at: datetime | None = None


def take(session: Session, name: str, limits: Limits, wanted: int, longest_wait: float = math.inf) -> Share:
    """Up to `wanted` messages of the relay's limits, a quarter of a second's worth at most where seconds are limited.

    `longest_wait`, in seconds: who would have to wait longer takes nothing.
    """
    now = ledger_now(session)
    use = _locked(session, name, now)
    left, again_at = _left(use, limits, wanted)
    if not left:
        return Share(0, again_at=again_at)
    wait = 0.0
    if limits.per_second:
        left = min(left, max(1, int(limits.per_second / 4)))
        free = max(use.next_free, now)
        wait = (free - now).total_seconds()
        if wait > longest_wait:
            return Share(0, again_at=free)
        use.next_free = free + timedelta(seconds=left / limits.per_second)
    use.in_day += left
    use.in_hour += left
    return Share(left, wait)


def give_back(session: Session, name: str, count: int) -> None:
    """These were taken and did not go."""
    use = _locked(session, name, ledger_now(session))
    use.in_day, use.in_hour = max(0, use.in_day - count), max(0, use.in_hour - count)


def full_until(session: Session, name: str, limits: Limits) -> datetime | None:
    """Until when the relay has had its share of the hour or the day; None: it takes more."""
    use = session.get(RelayUse, name)
    if use is None:
        return None
    session.expunge(use)  # it is only looked at
    left, again_at = _left(_today(use, ledger_now(session)), limits, 1)
    return None if left else again_at


def all_use(session: Session) -> Sequence[RelayUse]:
    return session.scalars(select(RelayUse).order_by(RelayUse.name)).all()


def _locked(session: Session, name: str, now: datetime) -> RelayUse:
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    day, hour = _start(now, _DAY), _start(now, _HOUR)
    fresh = dialect.insert(RelayUse).values(
        name=name, first_used=now, day=day, in_day=0, hour=hour, in_hour=0, next_free=now
    )
    session.execute(fresh.on_conflict_do_nothing())
    query = select(RelayUse).where(RelayUse.name == name).with_for_update()
    return _today(session.scalars(query.execution_options(populate_existing=True)).one(), now)


def _today(use: RelayUse, now: datetime) -> RelayUse:
    """Its counts begin anew where a day or an hour has."""
    day, hour = _start(now, _DAY), _start(now, _HOUR)
    if use.day < day:
        use.day, use.in_day = day, 0
    if use.hour < hour:
        use.hour, use.in_hour = hour, 0
    return use


def _left(use: RelayUse, limits: Limits, wanted: int) -> tuple[int, datetime | None]:
    """How many of the `wanted` the day and the hour allow; none: until when."""
    left = wanted
    most = limits.of_day((use.day - _start(use.first_used, _DAY)).days)
    for limit, used, again_at in ((most, use.in_day, use.day + _DAY), (limits.per_hour, use.in_hour, use.hour + _HOUR)):
        if limit and used >= limit:
            return 0, again_at
        left = min(left, limit - used) if limit else left
    return left, None


def _start(at: datetime, length: timedelta) -> datetime:
    """The beginning of its hour or day."""
    whole = at.replace(minute=0, second=0, microsecond=0)
    return whole if length == _HOUR else whole.replace(hour=0)

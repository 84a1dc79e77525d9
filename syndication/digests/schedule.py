"""When a digest is due: the local hour of a cadence, in a subscriber's zone, as instants of UTC. Pure.

Guarantees, for every zone of the tz database: a local day has exactly one slot. An hour that the clocks skip is due at the
first instant after the gap; an hour that comes twice is due the first time. `last_slot` never decreases as `now` grows,
and `last_slot(…, next_slot(…, now)) == next_slot(…, now)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from syndication.errors import BadInput

AT_ONCE: Final = "at-once"
DAILY: Final = "daily"
WEEKLY: Final = "weekly"
CADENCES: Final = (AT_ONCE, DAILY, WEEKLY)
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SECOND = timedelta(seconds=1)


def last_slot(cadence: str, zone: ZoneInfo, daily_at: str, weekly_on: str, now: datetime) -> datetime:
    """The newest slot at or before `now` (aware), in UTC. `daily_at` is "HH:MM" local; `weekly_on` an English weekday.

    Raises BadInput for a cadence without slots, a time or a weekday that is none.
    """
    return max(slot for slot in _slots_near(cadence, zone, daily_at, weekly_on, now) if slot <= now)


def next_slot(cadence: str, zone: ZoneInfo, daily_at: str, weekly_on: str, now: datetime) -> datetime:
    """The oldest slot after `now`, in UTC; arguments and errors as for `last_slot`."""
    return min(slot for slot in _slots_near(cadence, zone, daily_at, weekly_on, now) if slot > now)


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC instant of a wall time: the first of two, or the first instant after the gap that swallows it."""
    wall = datetime.combine(day, at)
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # PEP 495: inside a gap, fold=1 lies before the change and fold=0 after it.
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
    start = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle <= before:
            break
        if middle.astimezone(zone).utcoffset() == start:
            before = middle
        else:
            after = middle
    return after


def slot_name(instant: datetime) -> str:
    """How a daily or weekly issue is named: `2026-03-29T05:00:00Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def slot_instant(slot: str) -> datetime | None:
    """The instant that a slot's name says; None for `seq:…` and `now:…`, which wait for no hour."""
    if slot.startswith(("seq:", "now:")):
        return None
    return datetime.strptime(slot, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def is_for_stragglers(slot: str) -> bool:
    """Whether the slot is `seq:…@<instant>`: for those at once who are behind an issue that was frozen before they came."""
    return "@" in slot


def _slots_near(cadence: str, zone: ZoneInfo, daily_at: str, weekly_on: str, now: datetime) -> Iterator[datetime]:
    """Slots around `now`: at least one before and one after, also where a zone skipped a whole day."""
    at, weekday = _clock_time(daily_at), None
    if cadence == WEEKLY:
        if weekly_on.lower() not in WEEKDAYS:
            raise BadInput(
                f"{weekly_on!r} is no weekday;", where="weekly_on", remedy=f"write one of {', '.join(WEEKDAYS)}."
            )
        weekday = WEEKDAYS.index(weekly_on.lower())
    elif cadence != DAILY:
        raise BadInput(f"the cadence {cadence!r} has no hour;", remedy="ask for daily or weekly.")
    today = now.astimezone(zone).date()
    reach = 2 if weekday is None else 9
    for days in range(-reach, reach + 1):
        day = today + timedelta(days=days)
        if weekday is None or day.weekday() == weekday:
            yield local_instant(day, at, zone)


def _clock_time(text: str) -> time:
    try:
        hour, minute = text.split(":")
        return time(int(hour), int(minute))
    except ValueError as error:
        raise BadInput(
            f"{text!r} is no time of day;", where="daily_at", remedy="write HH:MM, such as 07:00."
        ) from error

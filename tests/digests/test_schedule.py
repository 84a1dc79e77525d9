"""The local hour of a digest, on ordinary days, on both days of a clock change, and where a whole day is missing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndication.digests.schedule import last_slot, local_instant, next_slot, slot_instant, slot_name
from syndication.errors import BadInput

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
ZONES = sorted(available_timezones())
INSTANTS = st.datetimes(datetime(1975, 1, 1), datetime(2037, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))  # noqa: DTZ001
HOURS = st.times().map(lambda t: t.strftime("%H:%M"))
WEEKDAYS = st.sampled_from(["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day, hour, minute


@pytest.mark.parametrize(
    ("zone", "daily_at", "now", "slot"),
    [
        (BERLIN, "07:00", utc(2026, 11, 24, 6, 0), utc(2026, 11, 24, 6, 0)),
        (BERLIN, "07:00", utc(2026, 11, 24, 5, 59), utc(2026, 11, 23, 6, 0)),
        (BERLIN, "07:00", utc(2026, 7, 1, 12, 0), utc(2026, 7, 1, 5, 0)),
        (BERLIN, "02:30", utc(2026, 3, 29, 12, 0), utc(2026, 3, 29, 1, 0)),  # skipped: first instant after the gap
        (BERLIN, "02:30", utc(2026, 10, 25, 12, 0), utc(2026, 10, 25, 0, 30)),  # twice: the first one
        (NEW_YORK, "02:30", utc(2026, 3, 8, 12, 0), utc(2026, 3, 8, 7, 0)),
        (NEW_YORK, "01:30", utc(2026, 11, 1, 12, 0), utc(2026, 11, 1, 5, 30)),
        (ZoneInfo("Australia/Lord_Howe"), "02:15", utc(2026, 10, 4, 3, 0), utc(2026, 10, 3, 15, 30)),  # half an hour
        (ZoneInfo("Pacific/Kiritimati"), "07:00", utc(2026, 1, 1, 17, 0), utc(2026, 1, 1, 17, 0)),
    ],
)
def test_a_daily_slot(zone: ZoneInfo, daily_at: str, now: datetime, slot: datetime) -> None:
    assert last_slot("daily", zone, daily_at, "monday", now) == slot


def test_a_weekly_slot_is_the_daily_one_of_its_weekday() -> None:
    assert last_slot("weekly", BERLIN, "07:00", "monday", utc(2026, 11, 24, 6, 0)) == utc(2026, 11, 23, 6, 0)
    assert last_slot("weekly", BERLIN, "07:00", "Wednesday", utc(2026, 11, 24, 6, 0)) == utc(2026, 11, 18, 6, 0)
    assert next_slot("weekly", BERLIN, "07:00", "monday", utc(2026, 11, 24, 6, 0)) == utc(2026, 11, 30, 6, 0)


def test_a_day_that_a_zone_left_out_is_due_when_the_next_begins() -> None:
    apia = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December 2011
    assert local_instant(date(2011, 12, 30), time(7), apia) == utc(2011, 12, 30, 10, 0)
    assert last_slot("weekly", apia, "07:00", "friday", utc(2012, 1, 3)) == utc(2011, 12, 30, 10, 0)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ZONES), HOURS, WEEKDAYS, st.sampled_from(["daily", "weekly"]), INSTANTS)
def test_slots_around_any_instant_fit(zone: str, at: str, on: str, cadence: str, now: datetime) -> None:
    where = ZoneInfo(zone)
    before, after = last_slot(cadence, where, at, on, now), next_slot(cadence, where, at, on, now)
    assert before <= now < after
    assert last_slot(cadence, where, at, on, after) == after
    assert last_slot(cadence, where, at, on, after - timedelta(microseconds=1)) == before
    assert slot_instant(slot_name(before)) == before.replace(microsecond=0)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(ZONES), HOURS, st.dates(date(1990, 1, 2), date(2036, 1, 1)))
def test_every_local_day_has_one_slot(zone: str, at: str, day: date) -> None:
    where = ZoneInfo(zone)
    hour, minute = map(int, at.split(":"))
    slots = [local_instant(day + timedelta(days=n), time(hour, minute), where) for n in range(3)]
    assert slots == sorted(set(slots))
    wall = slots[1].astimezone(where).replace(tzinfo=None)
    assert wall >= datetime.combine(day + timedelta(days=1), time(hour, minute))


@pytest.mark.parametrize(("cadence", "at", "on"), [("at-once", "07:00", "monday"), ("daily", "7", "monday")])
def test_what_is_no_slot_is_refused(cadence: str, at: str, on: str) -> None:
    with pytest.raises(BadInput):
        last_slot(cadence, BERLIN, at, on, utc(2026, 1, 1))


def test_a_weekday_that_is_none_is_named() -> None:
    with pytest.raises(BadInput, match="funday"):
        last_slot("weekly", BERLIN, "07:00", "funday", utc(2026, 1, 1))


@pytest.mark.parametrize("slot", ["seq:12", "seq:12@2026-11-24T06:00:00Z", "now:2026-11-24T06:00:00.000000Z"])
def test_some_slots_have_no_hour(slot: str) -> None:
    assert slot_instant(slot) is None

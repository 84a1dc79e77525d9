"""Dates as people write them: what is meant, what cannot be meant, and hours that the clocks skip or strike twice."""

from __future__ import annotations

import pytest

from syndication.dates import in_zone, parsed


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-07-01", "Europe/Lisbon", "2026-06-30T23:00:00+00:00"),
        ("2026-7-1 9:05", "Asia/Tokyo", "2026-07-01T00:05:00+00:00"),
        ("2026-07-01T09:05:30.25Z", "Asia/Tokyo", "2026-07-01T09:05:30+00:00"),
        ("2026-07-01 09:05 +0130", "Asia/Tokyo", "2026-07-01T07:35:00+00:00"),
        ("2017-10-15", "America/Sao_Paulo", "2017-10-15T03:00:00+00:00"),  # that day began at one
        ("2027-03-28 02:00", "Europe/Lisbon", "2027-03-28T01:00:00+00:00"),
    ],
)
def test_what_is_meant(text: str, zone: str, utc: str) -> None:
    assert in_zone(parsed(text), zone).isoformat() == utc


@pytest.mark.parametrize(
    "text",
    ["2026", "20260701", "1 July 2026", "2026-13-01", "2026-02-30", "0001-01-01", "2026-07-01T25:00", "", "tomorrow"],
)
def test_what_cannot_be_meant_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 2026-03-31"):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "words"), [("2027-03-28 01:30", "does not exist"), ("2027-10-31 01:30", "comes twice")]
)
def test_an_hour_that_the_clocks_skip_or_strike_twice_needs_an_offset(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"{words} in Europe/Lisbon"):
        in_zone(parsed(text), "Europe/Lisbon")
    in_zone(parsed(f"{text}+01:00"), "Europe/Lisbon")

"""Dates that people write: ISO 8601, strictly, and local time where no zone is said. Pure.

What cannot be meant is refused in words: a month 13, a bare year, an hour that the clocks skip or strike twice.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_SHAPE = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[Tt ]\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?\s*(?P<zone>[Zz]|[+-]\d{2}:?\d{2})?)?"
)
LIKE = "write it like 2026-03-31, 2026-03-31 09:00 or 2026-03-31T09:00+01:00"


def parsed(text: str) -> datetime:
    """A date (midnight) or a date and time; naive where no zone stands. Raises ValueError in words."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:60]!r} is no date; {LIKE}")
    part = {name: int(value or 0) for name, value in found.groupdict().items() if name != "zone"}
    zone = (found["zone"] or "").upper().replace("Z", "+00:00")
    try:
        moment = datetime(**part)  # type: ignore[arg-type]  # noqa: DTZ001  # the zone comes next
        if zone:
            moment = datetime.fromisoformat(f"{moment.isoformat()}{zone[:3]}:{zone[-2:]}")
    except ValueError as error:
        raise ValueError(f"there is no {text.strip()}; {LIKE}") from error
    if not 1000 <= moment.year <= 9000:
        raise ValueError(f"the year {moment.year} cannot be meant; {LIKE}")
    return moment


def in_zone(moment: datetime, zone: str) -> datetime:
    """Aware, in UTC; without a zone of its own it is local time of `zone`. Raises ValueError where the clocks go forward or
    back and that hour does not exist or comes twice (midnight alone, a plain date, takes the first that is there)."""
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    local = moment.replace(tzinfo=ZoneInfo(zone))
    first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
    if first != second and (moment.hour, moment.minute) != (0, 0):
        when = moment.isoformat(" ", "minutes")
        happens = "comes twice" if first < second else "does not exist"
        raise ValueError(f"{when} {happens} in {zone}, where the clocks change; name the offset, like {when}+01:00")
    return first

"""The one clock. Pure but for reading the system time.

`now()` is the aware UTC time everything decides by; tests and the time machine shift it with `shifted` or `frozen`.
Leases use the database's clock (see `ledger.db.ledger_now`), which follows the same shift.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

_offset = timedelta(0)
_frozen: datetime | None = None
# Linux has one that goes on while the machine sleeps, as the ledger's does.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """The present, aware, in UTC, to the microsecond."""
    return _frozen if _frozen is not None else datetime.now(UTC) + _offset


def offset() -> timedelta:
    """How far `now()` lies ahead of the system clock; zero outside of tests."""
    return now() - datetime.now(UTC) if _frozen is not None else _offset


def monotonic() -> float:
    """Seconds that never go backwards, for deadlines inside a process. A stepped clock does not move it; where the system
    tells, the time that the machine slept counts, since a lease ran out meanwhile."""
    return time.clock_gettime(_MONOTONIC)


@contextmanager
def shifted(by: timedelta) -> Iterator[None]:
    """Run the block with the clock `by` ahead of the system's."""
    global _offset
    before = _offset
    _offset = before + by
    try:
        yield
    finally:
        _offset = before


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Run the block with the clock standing at `at` (aware)."""
    global _frozen
    if at.tzinfo is None:
        raise ValueError("frozen() takes an aware datetime")
    before = _frozen
    _frozen = at.astimezone(UTC)
    try:
        yield
    finally:
        _frozen = before

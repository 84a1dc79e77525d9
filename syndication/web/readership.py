"""How many read a feed through an aggregator, from what aggregators say of their subscribers in `User-Agent`.

Only a number that a program says of many people is kept, with the program's name and its own number of the feed; of a person
who polls nothing is. Whatever a stranger writes there is bounded: in length, in letters, in how much of it is kept.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from syndication.ledger.db import Database
from syndication.ledger.readership import Said, keep

log = structlog.get_logger(__name__)

EVERY = 60.0  # seconds between two writes of a process
MOST = 2_000  # notes that wait to be written
_LONGEST = 400  # bytes of a header that are looked at
_LARGEST = 10_000_000
_COUNT = re.compile(r"\b(\d{1,9}) (?:subscribers?|readers?)\b", re.IGNORECASE)
_FEED_ID = re.compile(r"\bfeed-?id[:=] ?([A-Za-z0-9]{1,40})", re.IGNORECASE)
_BROWSER = re.compile(r"^Mozilla/\d\.\d \(compatible; ")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ ]*")


class Aggregator(NamedTuple):
    """`feed` is its own number of the feed; empty: it says none."""

    name: str
    feed: str
    subscribers: int


@lru_cache(maxsize=1024)
def said_by(agent: bytes) -> Aggregator | None:
    """What a `User-Agent` says of subscribers; None where it says nothing. Pure."""
    text = agent[:_LONGEST].decode("latin-1")
    count = _COUNT.search(text)
    if count is None:
        return None
    feed = _FEED_ID.search(text)
    rest = _BROWSER.sub("", _FEED_ID.sub(";", _COUNT.sub(";", text)))
    named = _NAME.match(re.split(r"[/(;,+]| - ", rest, maxsplit=1)[0].strip())
    if named is None:
        return None
    name = named[0].strip()[:60].strip()
    return Aggregator(name, feed[1] if feed else "", min(int(count[1]), _LARGEST))


class Readership:
    """One a process. `note` on the way of a poll; `write` from a thread, now and then."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiting: dict[tuple[int, str, str, str], int] = {}
        self._next = 0.0

    def note(self, feed_id: int, fmt: str, agent: bytes) -> None:
        said = said_by(agent) if len(agent) <= _LONGEST else said_by(agent[:_LONGEST])
        if said is not None:
            key = (feed_id, fmt, said.name, said.feed)
            if key in self._waiting or len(self._waiting) < MOST:
                self._waiting[key] = said.subscribers

    def due(self, now: float) -> bool:
        """Whether something waits to be written: once a minute at most. `now` in seconds of any clock."""
        return bool(self._waiting) and now >= self._next

    def write(self, now: float) -> None:
        """Writes what waits. What a ledger that fails does not take is lost: it is said again at the next poll."""
        self._next = now + EVERY
        waiting, self._waiting = self._waiting, {}
        try:
            with self._db.transaction() as session:
                keep(session, [Said(*key, subscribers=number) for key, number in waiting.items()])
        except SQLAlchemyError as error:
            log.warning("readership.not_written", reason=str(error))

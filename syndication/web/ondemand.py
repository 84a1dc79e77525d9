"""Feeds that readers put together: `/feeds/<a>+<b>.atom`, `/feeds/<a>.daily.atom`, made when somebody first asks for one.

Guarantees: one set of parts has one address (others lead there, 301); a name of parts that are not there is 404; however many
names somebody makes up, a process makes only so many feeds a minute, for one client a share of them, and the ledger keeps only
so many.
"""

from __future__ import annotations

from threading import Lock
from typing import Literal, NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError

from syndication import clock
from syndication.composing import compose, note_asked
from syndication.defining import moved_to
from syndication.errors import SyndicationError, TryLater
from syndication.feeds.formats import FORMATS
from syndication.feeds.naming import parsed
from syndication.feeds.view import feed_url
from syndication.web.limits import Limit
from syndication.web.politeness import Politeness
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

A_MINUTE = 20  # feeds that one web process makes
A_CLIENT = 5  # of them, for one client
NOTED_EVERY = 600.0  # seconds


class Outcome(NamedTuple):
    """`address`: of a feed that moved; `seconds`: of one that may be asked for later."""

    what: Literal["made", "moved", "later", "absent"]
    address: str = ""
    seconds: int = 0


class OnDemand:
    """One a process. Called from threads, but for `note`."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._limit = Limit("feeds made on demand", f"{A_MINUTE}/minute")
        self._shares = Politeness(f"{A_CLIENT}/minute")
        self._one_at_a_time = Lock()
        self._asked: set[str] = set()
        self._noted_at = clock.monotonic()

    def ask(self, path: str, address: str) -> Outcome:
        """What becomes of a path that no feed has, and that a client at `address` asks for."""
        name, _, fmt = path.removeprefix("/feeds/").rpartition(".")
        wanted = parsed(name) if fmt in FORMATS else None
        if wanted is None or not ("+" in name or wanted.digest):
            return Outcome("absent")
        if str(wanted) != name:
            return Outcome("moved", feed_url(self._wiring.base_url, str(wanted), fmt))
        with self._one_at_a_time:
            if wait := self._shares.wait(address, b"", "", clock.monotonic()):
                return Outcome("later", seconds=wait)
            if not self._limit.admits("all"):
                return Outcome("later", seconds=self._limit.wait_seconds)
            try:
                made = compose(self._wiring.db, self._wiring.base_url, wanted)
            except TryLater:
                return Outcome("later", seconds=3_600)
            except (SyndicationError, SQLAlchemyError) as error:
                log.error("a feed cannot be put together", feed=name, reason=str(error))
                return Outcome("later", seconds=60)
        return Outcome("made" if made else "absent")

    def moved(self, path: str) -> Outcome:
        """Where a feed that ended leads."""
        name, _, fmt = path.removeprefix("/feeds/").rpartition(".")
        try:
            instead = moved_to(self._wiring.db, name)
        except SQLAlchemyError:
            return Outcome("absent")
        return Outcome("moved", feed_url(self._wiring.base_url, instead, fmt)) if instead else Outcome("absent")

    def note(self, path: str) -> None:
        """Somebody asked for a feed; costs nothing for those that are not made on demand."""
        if "+" in path or ".daily." in path or ".weekly." in path:
            self._asked.add(path.removeprefix("/feeds/").rpartition(".")[0])

    def write_down(self) -> None:
        """Tells the ledger now and then which are in use. Raises SQLAlchemyError."""
        now = clock.monotonic()
        if now - self._noted_at >= NOTED_EVERY and self._asked:
            asked, self._asked, self._noted_at = self._asked, set(), now
            note_asked(self._wiring.db, sorted(asked))

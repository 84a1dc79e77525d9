"""Slices of deliveries: claimed and looked at by a thread of their own while others are sent, folded by it when answered.

Guarantees: one thread does all of it, so a worker's transactions come one after another; what fails there is kept in
`error` and raised by nobody else; a slice that was not folded is left to the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

import structlog

from syndication import clock
from syndication.ledger import claims, destinations
from syndication.ledger.claims import Claim, Claimed, Outcome
from syndication.ledger.db import ledger_now
from syndication.mail.folding import fold_slice
from syndication.mail.gate import Passed, look_again
from syndication.mail.journal import Journal
from syndication.mail.manners import Told, Turns, domains_of, take_turns
from syndication.mail.parcels import Loaded, Packing
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 1.0
TEMPLATE_WAIT = timedelta(minutes=5)
TURN_SECONDS = 0.1  # how often one looks whose turn it is
MOST = 3  # at once: one being sent, the next to hand, one waiting for its last answers or for its fold


@dataclass(slots=True, eq=False)
class Slice:
    """One claim on its way out. `rest` is not begun yet; `out` are begun and not settled. What has no outcome at the end
    was not begun and goes back. `stale`: by edition and the series that stay."""

    claim: Claim
    deadline: float
    rest: deque[Claimed]
    out: int = 0
    passed: Passed = field(default_factory=Passed)
    loaded: Loaded = field(default_factory=Loaded)
    looked: float = 0.0
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    stale: dict[tuple[int, frozenset[int]], list[Claimed]] = field(default_factory=dict)
    domains: dict[int, str] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    let_go: float = field(default_factory=clock.monotonic)


class Slices:
    """`open` are being sent; `claimed` counts deliveries; `packing` makes their messages."""

    def __init__(
        self,
        wiring: Wiring,
        journal: Journal,
        kinds: Sequence[str],
        *,
        limit: int | None,
        claim_until: float,
        at_once: bool = False,
    ) -> None:
        self.open: list[Slice] = []
        self.claimed = 0
        self.error: Exception | None = None
        self.packing = Packing(wiring)
        self._wiring, self._journal, self._kinds, self._at_once = wiring, journal, kinds, at_once
        self._limit, self._claim_until = limit, claim_until
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._coming: Future[Slice | None] | None = None
        self._folding: set[Future[None]] = set()
        self._leased: set[int] = set()
        self._leaving = Event()
        self._empty = False  # nothing is due, now that all is folded
        self._alone = False  # the claim under way sees every slice folded
        self._nothing_further = False  # nothing was due beside what is being sent

    @property
    def current(self) -> Slice | None:
        return self.open[-1] if self.open else None

    def next(self, *, wait: bool) -> bool:
        """Opens the slice that has been claimed meanwhile; `wait` for it where nothing else is under way."""
        self.prefetch()
        if self._coming is None and wait and self._folding:  # the journal is long, or too many slices are open
            for folding in list(self._folding):
                folding.result()
            self.prefetch()
        if self._coming is None or not (wait or self._coming.done()):
            return False
        coming, self._coming = self._coming, None
        try:
            slice_ = coming.result()
        except Exception as error:
            self.error = self.error or error
            return False
        if slice_ is None:
            self._empty, self._nothing_further = self._alone, True
            return wait and not self._empty and not self.open and self.next(wait=True)
        self.open.append(slice_)
        self.prefetch()
        return True

    def prefetch(self) -> None:
        """Has the next slice claimed, when half of the present one is begun."""
        size = self._wiring.settings.slice_size
        if self._limit is not None:
            size = min(size, self._limit - self.claimed)
        busy = len(self.open) + len(self._folding) >= MOST or (bool(self.open) and self._journal.is_long)
        early = self.current is not None and (self._nothing_further or len(self.current.rest) > size // 2)
        late = clock.monotonic() >= self._claim_until
        if self._coming is None and size > 0 and not (self._empty or self.error or busy or early or late):
            self._alone = not self.open
            self._coming = self._thread.submit(self._claim, size)

    def look(self, slice_: Slice) -> None:
        """Looks at what is left of it, and compiles what that needs; an edition that cannot be made is held back."""
        now = clock.monotonic()
        with self._wiring.db.reading() as session:
            passed = look_again(session, slice_.rest)
            loaded = self.packing.load(session, passed, slice_.loaded)
        for edition_id, reason in loaded.held.items():
            log.error("mail.edition_held", edition=edition_id, reason=reason)
        _note(slice_, passed)
        slice_.rest.clear()
        later = clock.now() + TEMPLATE_WAIT
        for row in passed.go:
            if row.edition_id in loaded.held:
                slice_.outcomes[row.id] = Outcome(row.id, "pending", loaded.held[row.edition_id], later)
            else:
                slice_.rest.append(row)
        slice_.passed, slice_.loaded, slice_.looked = passed, loaded, now

    def still_go(self, slice_: Slice, rows: Sequence[Claimed]) -> set[int]:
        """Which of these may still go; what became of the others is noted."""
        with self._wiring.db.reading() as session:
            passed = look_again(session, rows)
        _note(slice_, passed)
        return {row.id for row in passed.go}

    def fold(self, slice_: Slice, reason: str = "", again_at: datetime | None = None) -> None:
        """Everything that became of it into the ledger; what was not begun is due again, at once or at `again_at`."""
        outcomes = [
            slice_.outcomes.get(row.id) or Outcome(row.id, "pending", reason, again_at) for row in slice_.claim.rows
        ]
        self.open.remove(slice_)
        folding = self._thread.submit(self._fold, slice_, outcomes)
        self._folding.add(folding)
        folding.add_done_callback(self._folding.discard)

    def leave(self) -> None:
        """Waits for the folds. What is not folded is left to the journal."""
        self._leaving.set()
        self._thread.shutdown(wait=True)
        if self._coming is not None and self._coming.exception() is None and (slice_ := self._coming.result()):
            self._fold(slice_, [Outcome(row.id, "pending") for row in slice_.claim.rows])
        self._coming = None
        self._journal.working -= self._leased

    # -- what the thread does

    def _claim(self, size: int) -> Slice | None:
        settings, mine = self._wiring.settings, self._journal
        restricted = self._wait_for_anything_due()
        if restricted is None:
            return None
        deadline = clock.monotonic() + settings.lease_seconds - 0.1 * settings.smtp_timeout_seconds
        claim = None
        try:
            with self._wiring.db.transaction() as session:
                claim = claims.claim(
                    session, host=mine.host, journal=mine.name, size=size, lease_seconds=settings.lease_seconds,
                    kinds=self._kinds, at_once=self._at_once,
                )  # fmt: skip
                if claim is not None:
                    self._leased.add(claim.lease_id)
                    mine.take(claim.lease_id)
        except Exception:
            if claim is not None:  # the commit's answer may be lost: it is ours, and nothing of it is begun
                mine.working.discard(claim.lease_id)
            raise
        if claim is None:
            return None
        self.claimed += len(claim.rows)
        slice_ = Slice(claim, min(deadline, self._claim_until + 0.2 * settings.lease_seconds), deque(claim.rows))
        self.look(slice_)
        slice_.domains = domains_of(slice_.rest, slice_.passed)
        if restricted and slice_.rest:
            self._take_turns(slice_, restricted)
        return slice_

    def _wait_for_anything_due(self) -> dict[str, int] | None:
        """The restricted destinations, name → id, once something is due; None: nothing is.

        A worker with nothing else to do waits for a turn that was given, so that turns are met and no task is begun for each.
        """
        while True:
            with self._wiring.db.reading() as session:
                if claims.anything_due(session, self._kinds, at_once=self._at_once):
                    return destinations.restricted(session)
                waits = self._alone and "digest" in self._kinds
                if not (waits and destinations.anybodys_turn_soon(session, ledger_now(session))):
                    return None
            if clock.monotonic() >= self._claim_until or self._leaving.wait(TURN_SECONDS):
                return None

    def _take_turns(self, slice_: Slice, restricted: dict[str, int]) -> None:
        settings = self._wiring.settings
        slice_.turns = take_turns(
            self._wiring.db, restricted, slice_.rest, slice_.domains,
            step=timedelta(seconds=settings.pacing_seconds), ladder=settings.retry_ladder,
        )  # fmt: skip
        slice_.outcomes |= {outcome.delivery_id: outcome for outcome in slice_.turns.waiting}
        slice_.rest = deque(row for row in slice_.rest if row.id not in slice_.outcomes)

    def _told(self, slice_: Slice) -> Told:
        return Told(slice_.turns, slice_.domains, clock.monotonic() - slice_.let_go)

    def _fold(self, slice_: Slice, outcomes: Sequence[Outcome]) -> None:
        try:
            fold_slice(self._wiring, slice_.claim.lease_id, outcomes, slice_.stale, self._told(slice_))
        except Exception as error:
            self.error = self.error or error
            return
        try:
            self._journal.folded(slice_.claim.lease_id)
        except OSError as error:
            self.error = self.error or error
        finally:
            self._journal.working.discard(slice_.claim.lease_id)


def _note(slice_: Slice, passed: Passed) -> None:
    slice_.outcomes |= {outcome.delivery_id: outcome for outcome in passed.stopped}
    for row in passed.stale:
        slice_.stale.setdefault((row.edition_id or 0, passed.keep[row.id]), []).append(row)
        slice_.outcomes[row.id] = Outcome(row.id, "pending")

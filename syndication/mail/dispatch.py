"""The sender's side of a transport: slices claimed, looked at again, begun in the journal, and folded when they are answered.

Guarantees: what the transport gets has been begun on disk; its bytes go only if that was looked at within
`LOOK_AGAIN_SECONDS` and its lease still holds; whatever fails here (ledger, disk) stops new messages and lets those on the
wire be answered first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from syndication import clock
from syndication.errors import BadInput, SyndicationError
from syndication.ledger import claims
from syndication.ledger.claims import Claim, Claimed, Outcome
from syndication.mail.folding import fold_slice
from syndication.mail.gate import Passed, look_again
from syndication.mail.journal import Journal
from syndication.mail.parcels import Packing
from syndication.mail.transport import Answer, Parcel, TransportTrouble
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 1.0
TROUBLE_WAIT = timedelta(seconds=30)
TEMPLATE_WAIT = timedelta(minutes=5)
MOST_SLICES = 3  # open at once: one being sent, others waiting for their last answers


@dataclass(slots=True, eq=False)
class Slice:
    """One claim on its way out. `rest` is not begun yet; `out` are begun and not settled. What has no outcome at the end
    was not begun and goes back. `stale`: by edition and the series that stay."""

    claim: Claim
    deadline: float
    rest: deque[Claimed]
    out: int = 0
    passed: Passed | None = None
    looked: float = 0.0
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    stale: dict[tuple[int, frozenset[int]], list[Claimed]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Addressed:
    """Where a parcel comes from."""

    row: Claimed
    slice: Slice
    looked: float


class Dispatch:
    """An `Outgoing`. `close` when the transport has come back, `leave` in any case."""

    def __init__(
        self, wiring: Wiring, journal: Journal, kinds: Sequence[str], *, limit: int | None, claim_until: float
    ) -> None:
        self.dealt_with = 0
        self._wiring, self._journal, self._kinds = wiring, journal, kinds
        self._limit, self._claim_until = limit, claim_until
        self._packing = Packing(wiring)
        self._slices: list[Slice] = []
        self._ready: deque[Parcel] = deque()
        self._from: dict[str, Addressed] = {}
        self._empty = False
        self._error: Exception | None = None

    # -- Outgoing

    def next(self, most: int) -> Sequence[Parcel]:
        try:
            while len(self._ready) < most and self._error is None and self._prepare():
                pass
        except Exception as error:  # told by `close`, when what is on the wire has been answered
            self._fail(error)
        if self._error is not None:
            return ()
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def going(self, parcels: Sequence[Parcel]) -> Sequence[bool]:
        now = clock.monotonic()
        try:
            old = [a for p in parcels if now - (a := self._from[p.name]).looked > LOOK_AGAIN_SECONDS]
            if old:
                self._look_once_more(old)
            may = [self._may_go(self._from[parcel.name], now) for parcel in parcels]
            went: dict[int, list[int]] = {}
            for parcel, allowed in zip(parcels, may, strict=True):
                if allowed:
                    source = self._from[parcel.name]
                    went.setdefault(source.slice.claim.lease_id, []).append(source.row.id)
            for lease_id, ids in went.items():
                self._journal.went(lease_id, ids)
        except Exception as error:
            self._fail(error)
            may = [False] * len(parcels)
        for parcel, allowed in zip(parcels, may, strict=True):
            if not allowed:
                self._settled(parcel)
        return may

    def done(self, answers: Sequence[Answer]) -> None:
        told = []
        for parcel, receipt in answers:
            source = self._from[parcel.name]
            outcome = Outcome(source.row.id, receipt.state, receipt.reply)
            source.slice.outcomes[source.row.id] = outcome
            told.append((source.slice.claim.lease_id, outcome))
        try:
            self._journal.answered(told)
        except OSError as error:
            self._fail(error)  # the ledger may still take what the disk does not
        for parcel, _ in answers:
            self._settled(parcel)

    # -- the end

    def close(self, trouble: TransportTrouble | None) -> None:
        """The transport has come back: everything that is not answered was not begun. Raises what failed meanwhile.

        The ledger is told all the same: it may take what a full disk does not, and may be back after having been away.
        """
        if trouble is None and self._error is None:
            assert not self._slices, "a transport comes back when everything is answered"
        for slice_ in list(self._slices):
            try:
                self._fold(slice_, trouble)
            except Exception as error:  # it is left to the journal
                self._fail(error)
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """What is not folded is left to the journal."""
        for slice_ in self._slices:
            self._journal.working.discard(slice_.claim.lease_id)

    # -- slices

    def _prepare(self) -> bool:
        """One step further: a flight begun, or a slice claimed. False where there is nothing to do now."""
        current = self._slices[-1] if self._slices else None
        if current is None or not current.rest:
            return self._claim()
        now = clock.monotonic()
        if now >= current.deadline:
            current.rest.clear()
            self._fold_if_answered(current)
            return True
        if current.passed is None or now - current.looked > LOOK_AGAIN_SECONDS:
            self._look(current, now)
        self._begin_flight(current)
        self._fold_if_answered(current)
        return True

    def _claim(self) -> bool:
        settings = self._wiring.settings
        size = settings.slice_size if self._limit is None else min(settings.slice_size, self._limit - self.dealt_with)
        busy = len(self._slices) >= MOST_SLICES or (self._slices and self._journal.is_long)
        if self._empty or busy or size <= 0 or clock.monotonic() >= self._claim_until:
            return False
        with self._wiring.db.reading() as session:
            self._empty = not claims.anything_due(session, self._kinds)
        if self._empty:
            return False
        deadline = clock.monotonic() + settings.lease_seconds - 0.1 * settings.smtp_timeout_seconds
        mine = self._journal
        claim = None
        try:
            with self._wiring.db.transaction() as session:
                claim = claims.claim(
                    session, host=mine.host, journal=mine.name, size=size, lease_seconds=settings.lease_seconds,
                    kinds=self._kinds,
                )  # fmt: skip
                if claim is not None:
                    mine.take(claim.lease_id)
        except Exception:
            if claim is not None:  # the commit's answer may be lost: it is ours, and nothing of it is begun
                mine.working.discard(claim.lease_id)
            raise
        if claim is None:
            self._empty = True
            return False
        deadline = min(deadline, self._claim_until + 0.2 * settings.lease_seconds)
        self._slices.append(Slice(claim, deadline, deque(claim.rows)))
        self.dealt_with += len(claim.rows)
        return True

    def _look(self, current: Slice, now: float) -> None:
        """Looks at all that is left of it, and compiles what that needs; an edition that cannot be made is held back."""
        with self._wiring.db.reading() as session:
            passed = look_again(session, current.rest)
            held = self._packing.load(session, passed)
        for edition_id, reason in held.items():
            log.error("mail.edition_held", edition=edition_id, reason=reason)
        self._note(current, passed)
        current.rest.clear()
        for row in passed.go:
            if row.edition_id in held:
                current.outcomes[row.id] = Outcome(row.id, "pending", held[row.edition_id], clock.now() + TEMPLATE_WAIT)
            else:
                current.rest.append(row)
        current.passed, current.looked = passed, now

    def _note(self, slice_: Slice, passed: Passed) -> None:
        slice_.outcomes |= {outcome.delivery_id: outcome for outcome in passed.stopped}
        for row in passed.stale:
            slice_.stale.setdefault((row.edition_id or 0, passed.keep[row.id]), []).append(row)
            slice_.outcomes[row.id] = Outcome(row.id, "pending")

    def _begin_flight(self, current: Slice) -> None:
        rows = [current.rest.popleft() for _ in range(min(self._wiring.settings.journal_flight, len(current.rest)))]
        assert current.passed is not None
        self._packing.prove(rows)
        parcels = []
        for row in rows:
            try:
                parcel = self._packing.parcel(row, current.passed)
            except SyndicationError as error:
                log.error("mail.held", delivery=row.id, reason=str(error))
                wrong = isinstance(
                    error, BadInput
                )  # this person's address or name; else something of ours, to be mended
                wait = None if wrong else clock.now() + TEMPLATE_WAIT
                current.outcomes[row.id] = Outcome(row.id, "failed" if wrong else "pending", str(error), wait)
                continue
            self._from[parcel.name] = Addressed(row, current, current.looked)
            parcels.append(parcel)
        if parcels:
            self._journal.begun(current.claim.lease_id, [self._from[parcel.name].row.id for parcel in parcels])
            current.out += len(parcels)
            self._ready.extend(parcels)

    def _look_once_more(self, old: list[Addressed]) -> None:
        """These have waited for the wire; with them all that waits, so that it is one look for many."""
        now = clock.monotonic()
        waiting = {id(a): a for a in (*old, *(self._from[parcel.name] for parcel in self._ready))}
        with self._wiring.db.reading() as session:
            passed = look_again(session, [a.row for a in waiting.values()])
        go = {row.id for row in passed.go}
        for source in waiting.values():
            if source.row.id in go:
                source.looked = now
        for slice_ in self._slices:
            mine = {a.row.id for a in waiting.values() if a.slice is slice_}
            self._note(slice_, passed.only(mine))

    def _may_go(self, source: Addressed, now: float) -> bool:
        return source.row.id not in source.slice.outcomes and now < source.slice.deadline

    def _settled(self, parcel: Parcel) -> None:
        source = self._from.pop(parcel.name)
        source.slice.out -= 1
        try:
            self._fold_if_answered(source.slice)
        except Exception as error:
            self._fail(error)

    def _fold_if_answered(self, slice_: Slice) -> None:
        if not slice_.rest and not slice_.out and self._error is None:
            self._fold(slice_, None)

    def _fold(self, slice_: Slice, trouble: TransportTrouble | None) -> None:
        wait = clock.now() + TROUBLE_WAIT if trouble else None
        nothing = Outcome(0, "pending", trouble.what if trouble else "", wait)
        outcomes = [
            slice_.outcomes.get(row.id) or Outcome(row.id, nothing.state, nothing.reply, nothing.due_at)
            for row in slice_.claim.rows
        ]
        fold_slice(self._wiring, slice_.claim.lease_id, outcomes, slice_.stale)
        self._slices.remove(slice_)
        try:
            self._journal.folded(slice_.claim.lease_id)
        finally:
            self._journal.working.discard(slice_.claim.lease_id)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error

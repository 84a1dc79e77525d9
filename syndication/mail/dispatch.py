"""The sender's side of a transport: flights of messages begun in the journal, a last look before the wire, the answers.

Guarantees: what the transport gets has been begun on disk; its bytes go only if that was looked at within
`LOOK_AGAIN_SECONDS` and its lease still holds; whatever fails here (ledger, disk) stops new messages and lets those on the
wire be answered first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from syndication import clock
from syndication.errors import BadInput, SyndicationError
from syndication.ledger.claims import Claimed, Outcome
from syndication.mail.consequences import REFUSED, SOUR
from syndication.mail.journal import Journal
from syndication.mail.meaning import meaning_of
from syndication.mail.slices import LOOK_AGAIN_SECONDS, TEMPLATE_WAIT, Slice, Slices
from syndication.mail.transport import Answer, LimitReached, Parcel, Receipt, TransportTrouble
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

TROUBLE_WAIT, FEW_WAIT = timedelta(seconds=30), timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a relay that can be reached takes no mail of ours, and what to do."""

    what: str
    advice: str


@dataclass(slots=True, eq=False)
class Addressed:
    """Where a parcel comes from."""

    row: Claimed
    slice: Slice
    looked: float


class Dispatch:
    """An `Outgoing`. `close` when the transport has come back, `leave` in any case.

    `blocked`: the relay takes nothing of ours, so the round is over; `refused`: it refused the few messages there were,
    because of us; `heard`: it gave an answer that was not about us. `troubled`: no round has gone through since it refused us.
    """

    def __init__(
        self, wiring: Wiring, journal: Journal, kinds: Sequence[str], *, limit: int | None, claim_until: float,
        troubled: bool = False, at_once: bool = False,
    ) -> None:  # fmt: skip
        self._flight, self._journal = wiring.settings.journal_flight, journal
        self._slices = Slices(wiring, journal, kinds, limit=limit, claim_until=claim_until, at_once=at_once)
        self._ready: deque[Parcel] = deque()
        self._from: dict[str, Addressed] = {}
        self._error: Exception | None = None
        self._sour: list[Addressed] = []
        self._troubled, self._sent = troubled, False
        self.heard = False
        self.blocked: Blocked | None = None
        self.refused: Blocked | None = None

    @property
    def dealt_with(self) -> int:
        return self._slices.claimed

    # -- Outgoing

    def next(self, most: int) -> Sequence[Parcel]:
        try:
            while len(self._ready) < most and self._error is None and self.blocked is None and self._prepare():
                pass
            self._error = self._error or self._slices.error
        except Exception as error:  # told by `close`, when what is on the wire has been answered
            self._fail(error)
        if self._error is not None or self.blocked is not None:
            return ()
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def takes_time(self, most: int) -> bool:
        return len(self._ready) < most

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
            outcome = self._outcome(source, receipt)
            source.slice.outcomes[source.row.id] = outcome
            told.append((source.slice.claim.lease_id, outcome))
        try:
            self._journal.answered(told)
        except OSError as error:
            self._fail(error)  # the ledger may still take what the disk does not
        for parcel, _ in answers:
            self._settled(parcel)

    def _outcome(self, source: Addressed, receipt: Receipt) -> Outcome:
        """What is wrong with us, or with the mail for this relay, fails nobody."""
        if receipt.state == "unfit":
            return Outcome(source.row.id, "pending", receipt.reply, clock.now() + TEMPLATE_WAIT)
        if receipt.state in REFUSED and (meaning := meaning_of(receipt.reply)).relay == "trouble":
            return self._refused_us(source, receipt.reply, meaning.advice)
        self.heard = self.heard or receipt.state != "unknown"
        if receipt.state == "sent":
            self._sent, self.refused = True, None
            self._sour.clear()
        return Outcome(source.row.id, receipt.state, receipt.reply)

    def _refused_us(self, source: Addressed, reply: str, advice: str) -> Outcome:
        """A relay that takes no mail of ours says so to one message after another: then all of them are pending. With too few
        to tell, a try counts for nobody while nothing has gone through since the relay refused us before."""
        why = Blocked(f"the relay refuses our mail: {reply}", advice)
        self._sour.append(source)
        if len(self._sour) >= SOUR or self.blocked is not None:
            self.blocked = self.blocked or why
            later = clock.now() + TROUBLE_WAIT
            for one in self._sour:
                one.slice.outcomes[one.row.id] = Outcome(one.row.id, "pending", self.blocked.what, later)
            return source.slice.outcomes[source.row.id]
        if not self._sent:
            self.refused = why
            if self._troubled:
                return Outcome(source.row.id, "pending", why.what, clock.now() + FEW_WAIT)
        return Outcome(source.row.id, "deferred", reply)

    # -- the end

    def close(self, trouble: TransportTrouble | None) -> None:
        """The transport has come back: everything that is not answered was not begun. Raises what failed meanwhile.

        The ledger is told all the same: it may take what a full disk does not, and may be back after having been away.
        """
        reason = self.blocked.what if self.blocked else trouble.what.rstrip(";") if trouble else ""
        wait = clock.now() + TROUBLE_WAIT if reason else None
        if isinstance(trouble, LimitReached):
            wait = trouble.again_at
        for slice_ in list(self._slices.open):
            self._slices.fold(slice_, reason, wait)
        self._slices.leave()
        if error := self._error or self._slices.error:
            raise error

    def leave(self) -> None:
        """What is not folded is left to the journal."""
        self._slices.leave()

    # -- flights

    def _prepare(self) -> bool:
        """One step further: a flight begun, or a slice to hand. False where there is nothing to do now."""
        current = self._slices.current
        if current is not None and not current.rest:
            self._fold_if_answered(current)  # nothing of it may go, say
        if current is None or not current.rest:
            return self._slices.next(wait=not self._from)
        now = clock.monotonic()
        if now >= current.deadline:
            current.rest.clear()
        elif now - current.looked > LOOK_AGAIN_SECONDS:
            self._slices.look(current)
        if current.rest:
            self._begin_flight(current)
        self._slices.prefetch()
        self._fold_if_answered(current)
        return True

    def _begin_flight(self, current: Slice) -> None:
        rows = [current.rest.popleft() for _ in range(min(self._flight, len(current.rest)))]
        current.loaded.prove(rows)
        parcels = []
        for row in rows:
            try:
                parcel = self._slices.packing.parcel(row, current.passed, current.loaded)
            except BadInput as error:  # this person's address or name
                log.error("mail.unfit", delivery=row.id, reason=str(error))
                current.outcomes[row.id] = Outcome(row.id, "failed", str(error))
                continue
            except SyndicationError as error:  # something of ours, to be mended
                log.error("mail.held", delivery=row.id, reason=str(error))
                current.outcomes[row.id] = Outcome(row.id, "pending", str(error), clock.now() + TEMPLATE_WAIT)
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
        for slice_ in self._slices.open:
            mine = [a for a in waiting.values() if a.slice is slice_]
            go = self._slices.still_go(slice_, [a.row for a in mine]) if mine else set()
            for source in mine:
                if source.row.id in go:
                    source.looked = now

    def _may_go(self, source: Addressed, now: float) -> bool:
        fresh = source.row.id not in source.slice.outcomes and now < source.slice.deadline
        return fresh and self.blocked is None

    def _settled(self, parcel: Parcel) -> None:
        source = self._from.pop(parcel.name)
        source.slice.out -= 1
        self._fold_if_answered(source.slice)

    def _fold_if_answered(self, slice_: Slice) -> None:
        if not slice_.rest and not slice_.out and self._error is None and slice_ in self._slices.open:
            self._slices.fold(slice_)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error

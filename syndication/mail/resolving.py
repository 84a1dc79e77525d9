"""What a person decides about mail that did not get through by itself: try again, or say what became of an unknown one.

Nothing here commits. What is sent again keeps its Message-ID, so a mailbox that has the mail already may drop the second.
A lease that is given up here cannot come back: a journal that turns up later moves only what still carries its lease.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import Session

from syndication.errors import BadInput, Conflict, NotFound
from syndication.ledger import claims
from syndication.ledger.audience import Subscriber
from syndication.ledger.content import Publication
from syndication.ledger.db import ledger_now, ring_after_commit
from syndication.ledger.mailings import Delivery, Issue, Lease, Letter
from syndication.ledger.states import DELIVERY, ISSUE, move

AGAIN: Final = ("failed", "deferred")
TAKEN_AS_SENT: Final = "taken as sent"
MOST_TRIES: Final = 2  # of mail that a policy sends again: who is unknown a second time waits for a person
Way = Literal["sent", "again"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which deliveries: these ids, this issue, this domain of the address; what is given must all hold."""

    ids: tuple[int, ...] = ()
    issue: int | None = None
    domain: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.ids:
            found.append(Delivery.id.in_(self.ids))
        if self.issue is not None:
            found.append(Delivery.issue_id == self.issue)
        if self.domain is not None:
            folded = self.domain.lower().lstrip("@")
            people = select(Subscriber.id).where(Subscriber.domain == folded)
            letters = select(Letter.delivery_id).where(Letter.address.endswith(f"@{folded}", autoescape=True))
            found.append(or_(Delivery.subscriber_id.in_(people), Delivery.id.in_(letters)))
        return found


class _Row(NamedTuple):
    id: int
    state: str
    issue_id: int | None
    lease_id: int | None


def retry(session: Session, chosen: Chosen, state: str | None = None) -> int:
    """Failed deliveries are due again from the foot of the ladder, deferred ones now; how many. A done issue is frozen again.

    `state`: failed (without ids the default) or deferred. Raises Conflict for a delivery named by its id that is neither,
    or whose issue was cancelled.
    """
    if state is not None and state not in AGAIN:
        raise BadInput(
            f"{state} deliveries are not tried again;",
            remedy="retry failed or deferred ones; for unknown ones see `syndicate deliveries resolve`."
            if state == "unknown"
            else "retry failed or deferred ones.",
        )
    states = (state,) if state else AGAIN if chosen.ids else ("failed",)
    rows = _choose(session, chosen, states, remedy="only failed and deferred ones are tried again.")
    rows = _sendable(session, chosen, rows)
    now = ledger_now(session)
    afresh: dict[str, object] = {"state": "pending", "attempts": 0, "due_at": now, "lease_id": None}
    _write(session, [row.id for row in rows if row.state == "failed"], "failed", afresh)
    _write(session, [row.id for row in rows if row.state == "deferred"], "deferred", {"due_at": now})
    _ring(session, rows)
    return len(rows)


def by_policy(session: Session, grace_seconds: int) -> int:
    """Does with unknown mail what its publication says, once nobody can tell any more; how many."""
    wants = _wants(session)
    rows = session.execute(_left_to_policy(session, wants, grace_seconds).with_for_update(of=Delivery)).all()
    ways: tuple[Way, ...] = ("sent", "again")
    for way in ways:
        mine = [
            _Row(id_, state, issue, lease)
            for id_, state, issue, lease, publication in rows
            if wants[publication] == way
        ]
        if way == "again":
            mine = _sendable(session, Chosen(), mine)
        _resolve(session, mine, way, "by the publication's policy")
    return len(rows)


def anything_by_policy(session: Session, grace_seconds: int) -> bool:
    """Whether `by_policy` would find something; takes no lock."""
    wants = _wants(session)
    return bool(wants) and session.execute(_left_to_policy(session, wants, grace_seconds).limit(1)).first() is not None


def _wants(session: Session) -> dict[int, Way]:
    """What publications want done with unknown mail; those that want to be asked are left out."""
    query = select(Publication.id, Publication.unknown).where(Publication.unknown != "ask")
    return {id_: "again" if way == "again" else "sent" for id_, way in session.execute(query)}


def _left_to_policy(
    session: Session, wants: dict[int, Way], grace_seconds: int
) -> Select[int, str, int | None, int | None, int]:
    """By way of the leases, which unknown mail keeps: they are few."""
    again = [id_ for id_, way in wants.items() if way == "again"]
    goes = and_(Delivery.attempts < MOST_TRIES, Issue.state.in_(("frozen", "done")))
    return (
        select(Delivery.id, Delivery.state, Delivery.issue_id, Delivery.lease_id, Delivery.publication_id)
        .join(Lease, Lease.id == Delivery.lease_id)
        .join(Issue, Issue.id == Delivery.issue_id)
        .where(
            Lease.until < ledger_now(session) - timedelta(seconds=grace_seconds),
            Delivery.state == "unknown",
            Delivery.publication_id.in_(wants),
            or_(Delivery.publication_id.not_in(again), goes),
        )
        .order_by(Delivery.id)
    )


def resolve(session: Session, chosen: Chosen, way: Way) -> int:
    """Unknown deliveries are taken as sent, or are due again with the same Message-ID; how many.

    Raises Conflict for a delivery named by its id that is not unknown, or is to be sent for a cancelled issue.
    """
    rows = _choose(session, chosen, ("unknown",), remedy="only unknown ones are resolved.")
    if way == "again":
        rows = _sendable(session, chosen, rows)
    _resolve(session, rows, way, "by hand")
    return len(rows)


def _resolve(session: Session, rows: list[_Row], way: Way, by: str) -> None:
    now = ledger_now(session)
    if way == "sent":
        said = f"{TAKEN_AS_SENT} {by} on {now:%Y-%m-%d %H:%M} UTC; the relay's answer was lost"
        values: dict[str, object] = {"state": "sent", "reply": said, "sent_at": now, "lease_id": None}
    else:
        values = {"state": "pending", "due_at": now, "lease_id": None}
        _ring(session, rows)
    leases = {row.lease_id for row in rows if row.lease_id is not None}
    _write(session, [row.id for row in rows], "unknown", values)
    for lease_id in sorted(leases):
        claims.retire(session, lease_id)


def _choose(session: Session, chosen: Chosen, states: tuple[str, ...], *, remedy: str) -> list[_Row]:
    """The rows, held. Raises BadInput where nothing is chosen, NotFound and Conflict for what was named by id."""
    conditions = chosen.conditions()
    if not conditions:
        raise BadInput("say which deliveries;", remedy="name some by id, or an --issue, or a --domain.")
    if chosen.issue is not None and session.get(Issue, chosen.issue) is None:
        raise NotFound(f"there is no issue {chosen.issue};", remedy="see `syndicate digest list`.")
    for delivery_id in chosen.ids:
        delivery = session.get(Delivery, delivery_id)
        if delivery is None:
            raise NotFound(f"there is no delivery {delivery_id};", remedy="see `syndicate deliveries list`.")
        if delivery.state not in states:
            raise Conflict(f"delivery {delivery_id} is {delivery.state};", remedy=remedy)
    query = select(Delivery.id, Delivery.state, Delivery.issue_id, Delivery.lease_id).where(*conditions)
    rows = session.execute(query.where(Delivery.state.in_(states)).order_by(Delivery.id).with_for_update())
    return [_Row(*row) for row in rows]


def _sendable(session: Session, chosen: Chosen, rows: list[_Row]) -> list[_Row]:
    """Without those of cancelled issues. An issue that was done is frozen again."""
    cancelled: set[int] = set()
    for issue_id in sorted({row.issue_id for row in rows if row.issue_id is not None}):
        issue = session.get_one(Issue, issue_id, with_for_update={"key_share": True}, populate_existing=True)
        if issue.state == "cancelled":
            cancelled.add(issue_id)
        elif issue.state == "done":
            issue.state = move("issue", ISSUE, str(issue_id), issue.state, "frozen")
            issue.done_at = None
    session.flush()
    if cancelled and (chosen.ids or chosen.issue is not None):
        raise Conflict(f"issue {min(cancelled)} was cancelled;", remedy="its deliveries are not sent any more.")
    return [row for row in rows if row.issue_id not in cancelled]


def _write(session: Session, ids: list[int], old: str, values: dict[str, object]) -> None:
    if "state" in values:
        move("delivery", DELIVERY, ", ".join(map(str, ids[:3])), old, str(values["state"]))
    for start in range(0, len(ids), 10_000):  # SQLite takes 32,766 parameters
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids[start : start + 10_000]), Delivery.state == old)
            .values(**values),
            execution_options={"synchronize_session": False},
        )


def _ring(session: Session, rows: Iterable[_Row]) -> None:
    for name in sorted({"mail.send_transactional" if row.issue_id is None else "mail.send_due" for row in rows}):
        ring_after_commit(session, name)

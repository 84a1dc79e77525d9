"""Many rows in one statement, on both databases: a list as one parameter, a chunk of deliveries as one INSERT, a slice of
outcomes as one UPDATE."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    String,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from syndication.ledger.base import UtcDateTime
from syndication.ledger.db import ledger_now
from syndication.ledger.mailings import Delivery

_FOLD = text(
    "UPDATE delivery AS d SET state = n.state, reply = n.reply,"
    " attempts = d.attempts + CASE d.state WHEN 'unknown' THEN 0 ELSE n.tried END,"
    " due_at = COALESCE(n.due_at, d.due_at), sent_at = COALESCE(n.sent_at, d.sent_at),"
    " lease_id = CASE WHEN n.state = 'unknown' THEN d.lease_id END, held_by = NULL, slot_at = NULL"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:tried AS int[]), CAST(:replies AS text[]),"
    " CAST(:due AS timestamptz[]), CAST(:sent AS timestamptz[])) AS n(id, state, tried, reply, due_at, sent_at)"
    " WHERE d.id = n.id AND d.lease_id = :lease AND d.state IN ('sending', 'unknown')"
)


_DELIVER = text(
    "INSERT INTO delivery (issue_id, publication_id, kind, priority, state, attempts, due_at, reply, created_at,"
    " subscriber_id, edition_id) SELECT :issue, :publication, 'digest', :priority, :state, 0,"
    " :due + make_interval(mins => CAST(person % CAST(:minutes AS int) AS int)), :reply, :now, person, edition"
    " FROM unnest(CAST(:people AS bigint[]), CAST(:editions AS bigint[])) AS n(person, edition)"
).bindparams(bindparam("due", type_=UtcDateTime()), bindparam("now", type_=UtcDateTime()))


class Owner(NamedTuple):
    """The issue that deliveries belong to, and which claims go first: 1 at once, 2 a digest that can wait its turn."""

    id: int
    publication_id: int
    priority: int


class Change(NamedTuple):
    """What a fold writes on one delivery; None leaves a time as it was. A lease stays on what is unknown;
    its try is counted already."""

    id: int
    state: str
    tried: int
    reply: str
    due_at: datetime | None
    sent_at: datetime | None


def among(
    session: Session, column: InstrumentedAttribute[Any], values: Collection[int] | Collection[str]
) -> ColumnElement[bool]:
    """`column IN values`, one parameter however many there are: nothing is compiled anew, no driver's limit is met.

    As a set to be joined: `= ANY (array)` compares each row with each value where PostgreSQL reads the whole of a small
    table.
    """
    if session.get_bind().dialect.name == "sqlite":
        return column.in_(select(func.json_each(json.dumps(list(values))).table_valued("value").c.value))
    return column.in_(select(func.unnest(cast(literal(array_of(values), String), ARRAY(column.type)))))


def deliver(
    session: Session, issue: Owner, rows: Sequence[tuple[int, int]], state: str, reply: str, due_at: datetime,
    spread_minutes: int = 0,
) -> None:  # fmt: skip
    """A digest's delivery in `state` for each (subscriber_id, edition_id).

    `spread_minutes`: due in one of so many minutes from `due_at` on, the same number of people in each.
    """
    if not rows:
        return
    now = ledger_now(session)
    if session.get_bind().dialect.name == "sqlite":
        common = {
            "issue_id": issue.id, "publication_id": issue.publication_id, "kind": "digest", "priority": issue.priority,
            "state": state, "attempts": 0, "due_at": due_at, "reply": reply, "created_at": now,
        }  # fmt: skip
        minutes = [due_at + timedelta(minutes=minute) for minute in range(max(1, spread_minutes))]
        each = [
            common | {"subscriber_id": person, "edition_id": edition, "due_at": minutes[person % len(minutes)]}
            for person, edition in rows
        ]
        session.connection().execute(insert(Delivery), each)
        return
    people, editions = zip(*rows, strict=True)
    session.execute(
        _DELIVER,
        {
            "issue": issue.id, "publication": issue.publication_id, "priority": issue.priority, "state": state, "reply": reply,
            "now": now, "due": due_at, "minutes": max(1, spread_minutes),
            "people": array_of(people), "editions": array_of(editions),
        },
    )  # fmt: skip


def array_of(values: Iterable[int] | Iterable[str]) -> str:
    """PostgreSQL's way to write an array of numbers or of words that need no quotes (hashes). psycopg writes arrays too,
    value by value, ten times slower."""
    return f"{{{','.join(map(str, values))}}}"


def write(session: Session, lease_id: int, changes: Sequence[Change]) -> None:
    """Writes the changes on deliveries that still carry the lease and are not settled."""
    if not changes:
        return
    if session.get_bind().dialect.name == "sqlite":
        _write_each(session, lease_id, changes)
        return
    ids, states, tried, replies, due, sent = map(list, zip(*changes, strict=True))
    session.execute(
        _FOLD,
        {"ids": ids, "states": states, "tried": tried, "replies": replies, "due": due, "sent": sent, "lease": lease_id},
    )


def _write_each(session: Session, lease_id: int, changes: Sequence[Change]) -> None:
    statement = (
        update(Delivery)
        .where(
            Delivery.id == bindparam("the_id"),
            Delivery.lease_id == lease_id,
            or_(Delivery.state == "sending", Delivery.state == "unknown"),
        )
        .values(
            state=bindparam("new_state"),
            attempts=Delivery.attempts + case((Delivery.state == "unknown", 0), else_=bindparam("new_tried")),
            reply=bindparam("new_reply"),
            due_at=func.coalesce(bindparam("new_due_at", type_=UtcDateTime()), Delivery.due_at),
            sent_at=func.coalesce(bindparam("new_sent_at", type_=UtcDateTime()), Delivery.sent_at),
            lease_id=bindparam("new_lease"),
            held_by=None,
            slot_at=None,
        )
    )
    rows = [
        {
            "the_id": c.id, "new_state": c.state, "new_tried": c.tried, "new_reply": c.reply, "new_due_at": c.due_at,
            "new_sent_at": c.sent_at, "new_lease": lease_id if c.state == "unknown" else None,
        }
        for c in changes
    ]  # fmt: skip
    session.connection().execute(statement, rows)

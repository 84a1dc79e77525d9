"""Who is owed a digest, in bulk: the statements of the cut and the freeze, the same on SQLite and PostgreSQL.

Guarantees: `move_cursors` gives each window to exactly one caller (the statement that moves the cursor returns where it
stood), so an entry enters at most one delivery of a person; every statement is bounded by the subscribers of one chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from syndication.ledger import past
from syndication.ledger.base import UtcDateTime
from syndication.ledger.tables import Delivery, EditionEntry, Entry, SeriesStart, Subscriber, Subscription

HAS_IT = ("sent", "unknown", "sending", "pending", "deferred")  # who has, or may yet get, an entry that comes anew


class Moved(NamedTuple):
    """A cursor that was moved, and where it stood."""

    subscription_id: int
    subscriber_id: int
    scope: int
    cursor: int
    language: str
    address_key: str


@dataclass(frozen=True)
class Cut:
    """Whom an issue concerns. `zones` empty: everybody; `active_by` None: whenever they became active."""

    publication_id: int
    cadence: str
    zones: tuple[str, ...]
    upto: int
    active_by: datetime | None = None


def zones_in_use(session: Session) -> list[str]:
    """Every time zone that some subscriber has. One index probe a zone, however many subscribers there are."""
    probe = text(
        "WITH RECURSIVE zone(name) AS (SELECT min(timezone) FROM subscriber UNION ALL "
        "SELECT (SELECT min(timezone) FROM subscriber WHERE timezone > zone.name) FROM zone WHERE zone.name IS NOT NULL) "
        "SELECT name FROM zone WHERE name IS NOT NULL"
    )
    return list(session.scalars(probe))


def newest_mailable(session: Session, publication_id: int) -> int:
    """The greatest `mail_seq` of a published entry; 0 where there is none."""
    query = select(func.max(Entry.mail_seq)).where(Entry.publication_id == publication_id, Entry.state == "published")
    return session.scalar(query) or 0


def anyone_behind(session: Session, cut: Cut) -> bool:
    """Whether the issue would move any cursor at all."""
    query = select(Subscription.id).join(Subscriber).where(*_behind(cut)).limit(1)
    return session.execute(query).first() is not None


def chunk_ends(session: Session, cut: Cut, after: int, size: int) -> list[int]:
    """The last subscriber id of each chunk of at most `size` subscribers with something to move, beyond `after`."""
    people = select(Subscription.subscriber_id).join(Subscriber).where(*_behind(cut, after)).distinct().subquery()
    numbered = select(
        people.c.subscriber_id.label("id"),
        func.row_number().over(order_by=people.c.subscriber_id).label("n"),
        func.count().over().label("total"),
    ).subquery()
    last = or_(numbered.c.n % size == 0, numbered.c.n == numbered.c.total)
    return list(session.scalars(select(numbered.c.id).where(last).order_by(numbered.c.id)))


def move_cursors(session: Session, cut: Cut, after: int, until: int) -> list[Moved]:
    """Moves the cursors of the chunk `(after, until]` to `cut.upto` and gives what they were.
    A cursor beyond `upto` stays."""
    chosen = (
        select(
            Subscription.id,
            Subscription.subscriber_id,
            Subscription.scope,
            Subscription.cursor,
            Subscriber.language,
            Subscriber.address_key,
        )
        .join(Subscriber)
        .where(*_behind(cut, after, until))
        .order_by(Subscription.subscriber_id, Subscription.id)
    )
    moved = case((Subscription.cursor < cut.upto, cut.upto), else_=Subscription.cursor)
    if (
        session.get_bind().dialect.name == "sqlite"
    ):  # no RETURNING of joined columns; BEGIN IMMEDIATE holds the rows still
        rows = [Moved(*row) for row in session.execute(chosen)]
        ids = select(Subscription.id).join(Subscriber).where(*_behind(cut, after, until))
        session.execute(
            update(Subscription).where(Subscription.id.in_(ids)).values(cursor=moved),
            execution_options={"synchronize_session": False},
        )
        return rows
    old = chosen.with_for_update(of=Subscription).cte("old")
    returned = session.execute(
        update(Subscription)
        .where(Subscription.id == old.c.id)
        .values(cursor=moved)
        .returning(old.c.id, old.c.subscriber_id, old.c.scope, old.c.cursor, old.c.language, old.c.address_key),
        execution_options={"synchronize_session": False},
    )
    return [Moved(*row) for row in returned]


def shields(session: Session, cut: Cut, after: int, until: int) -> list[tuple[int, int]]:
    """(subscriber_id, series_id) that a chunk's `all` subscriptions leave out."""
    everything = Subscription.__table__.alias("everything")
    query = (
        select(Subscription.subscriber_id, Subscription.scope)
        .join(everything, everything.c.subscriber_id == Subscription.subscriber_id)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(
            Subscription.shields,
            Subscription.scope > 0,
            everything.c.scope == 0,
            everything.c.cadence == cut.cadence,
            everything.c.state == "active",
            *_people(cut, after, until),
        )
    )
    return [(person, scope) for person, scope in session.execute(query)]


def starts(session: Session, cut: Cut, after: int, until: int) -> list[tuple[int, int, int]]:
    """(subscription_id, series_id, cursor) where a chunk's `all` subscriptions start a series elsewhere."""
    query = (
        select(SeriesStart.subscription_id, SeriesStart.series_id, SeriesStart.cursor)
        .join(Subscription, Subscription.id == SeriesStart.subscription_id)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscription.cadence == cut.cadence, Subscription.state == "active", *_people(cut, after, until))
    )
    return [(subscription, series, cursor) for subscription, series, cursor in session.execute(query)]


def use_up(session: Session, used: Iterable[tuple[int, int, int]], upto: int) -> None:
    """After a freeze up to `upto`: starts (subscription_id, series_id, cursor) that lay before it lie there now, and one
    that stands where its subscription stands is gone."""
    table = SeriesStart.__table__
    for subscription_id, series_id, cursor in used:
        mine = and_(table.c.subscription_id == subscription_id, table.c.series_id == series_id)
        if cursor < upto:
            session.execute(update(SeriesStart).where(mine).values(cursor=upto))
        stand = select(Subscription.cursor).where(Subscription.id == subscription_id).scalar_subquery()
        session.execute(delete(SeriesStart).where(mine, SeriesStart.cursor == stand))


def mailable(session: Session, publication_id: int, after: int, upto: int) -> list[tuple[int, int, int, int, bool]]:
    """Published entries with `after < mail_seq ≤ upto`: (id, series_id, mail_seq, revision_id, mailed_anew), in order."""
    query = (
        select(Entry.id, Entry.series_id, Entry.mail_seq, Entry.revision_id, Entry.mailed_anew)
        .where(
            Entry.publication_id == publication_id,
            Entry.mail_seq > after,
            Entry.mail_seq <= upto,
            Entry.state == "published",
        )
        .order_by(Entry.mail_seq)
    )
    return [
        (entry, series, mail_seq, revision, anew)
        for entry, series, mail_seq, revision, anew in session.execute(query)
        if mail_seq is not None and revision is not None
    ]


def already_had(session: Session, entry_ids: Sequence[int], after: int, until: int) -> set[tuple[int, int]]:
    """(subscriber_id, entry_id) of a chunk who have one of these entries, or may yet get it from an earlier issue."""
    if not entry_ids:
        return set()
    query = (
        select(Delivery.subscriber_id, EditionEntry.entry_id)
        .join(EditionEntry, EditionEntry.edition_id == Delivery.edition_id)
        .where(
            EditionEntry.entry_id.in_(entry_ids),
            Delivery.subscriber_id > after,
            Delivery.subscriber_id <= until,
            Delivery.state.in_(HAS_IT),
        )
    )
    had = {(person, entry) for person, entry in session.execute(query) if person is not None}
    return had | {
        (found.delivery.subscriber_id, entry) for entry, found in past.got(session, entry_ids, after + 1, until)
    }


def add_deliveries(
    session: Session, issue: tuple[int, int], rows: Sequence[tuple[int, int]], state: str, reply: str, now: datetime
) -> None:
    """One delivery in `state` for each (subscriber_id, edition_id). `issue` is (id, publication_id)."""
    if not rows:
        return
    common = {
        "issue_id": issue[0], "publication_id": issue[1], "kind": "digest", "priority": 1, "state": state,
        "attempts": 0, "due_at": now, "reply": reply, "created_at": now,
    }  # fmt: skip
    if session.get_bind().dialect.name == "sqlite":
        people = [common | {"subscriber_id": person, "edition_id": edition} for person, edition in rows]
        session.execute(insert(Delivery.__table__), people)  # type: ignore[arg-type]  # a Table, past the ORM
        return
    statement = text(
        "INSERT INTO delivery (issue_id, publication_id, kind, priority, state, attempts, due_at, reply, created_at, "
        "subscriber_id, edition_id) SELECT :issue_id, :publication_id, :kind, :priority, :state, :attempts, :due_at, "
        ":reply, :created_at, new.person, new.edition "
        "FROM unnest(CAST(:people AS bigint[]), CAST(:editions AS bigint[])) AS new(person, edition)"
    ).bindparams(bindparam("due_at", type_=UtcDateTime()), bindparam("created_at", type_=UtcDateTime()))
    people_, editions = zip(*rows, strict=True)
    session.execute(statement, common | {"people": list(people_), "editions": list(editions)})


def _people(cut: Cut, after: int = 0, until: int | None = None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [Subscriber.publication_id == cut.publication_id]
    if cut.zones:
        conditions.append(Subscriber.timezone.in_(cut.zones))
    if after:
        conditions.append(Subscriber.id > after)
    if until is not None:
        conditions.append(Subscriber.id <= until)
    return conditions


def _behind(cut: Cut, after: int = 0, until: int | None = None) -> list[ColumnElement[bool]]:
    """Active subscriptions at the cadence that this issue would move."""
    earlier = exists().where(SeriesStart.subscription_id == Subscription.id, SeriesStart.cursor < cut.upto)
    conditions = [
        Subscription.cadence == cut.cadence,
        Subscription.state == "active",
        or_(Subscription.cursor < cut.upto, and_(Subscription.scope == 0, earlier)),
        *_people(cut, after, until),
    ]
    if after:  # the same bound on the joined side, so that either index may serve
        conditions.append(Subscription.subscriber_id > after)
    if until is not None:
        conditions.append(Subscription.subscriber_id <= until)
    if cut.active_by is not None:
        conditions.append(Subscription.active_at <= cut.active_by)
    return conditions

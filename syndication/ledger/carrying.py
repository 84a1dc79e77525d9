"""What a cancelled issue did not bring to people, as a list for their next window.

Guarantees: no cursor moves back; an entry is on somebody's list once for each delivery that was cancelled with its issue, and
is taken off it by exactly one freeze (the statement that takes it says which rows it took); a row stays when it was taken, so
that nothing is listed again. What somebody no longer follows is taken off by nobody's issue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func, literal, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication.ledger.base import UtcDateTime
from syndication.ledger.claims import WITH_ISSUE
from syndication.ledger.db import ledger_now
from syndication.ledger.tables import Carried, Delivery, EditionEntry, Entry, Subscription

_AT_A_TIME = 5_000
_UNSYNCED = {"synchronize_session": False}


class Listed(NamedTuple):
    """A row that waits for its person's next window."""

    delivery_id: int
    entry_id: int
    subscriber_id: int
    series_id: int


def carry(session: Session, issue_id: int, *, people: tuple[int, int] | None = None, again: bool = False) -> None:
    """Lists what the issue's cancelled deliveries held and its people still follow, of all of them or of those in (after,
    until]; what is listed is left alone. `again`: most of it is, and the rest is looked for."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    owed = (
        select(
            Delivery.id,
            EditionEntry.entry_id,
            Delivery.subscriber_id,
            Entry.series_id,
            literal(ledger_now(session), UtcDateTime()),
        )
        .join(EditionEntry, EditionEntry.edition_id == Delivery.edition_id)
        .join(Entry, Entry.id == EditionEntry.entry_id)
        .where(
            Delivery.issue_id == issue_id,
            Delivery.state == "cancelled",
            Delivery.reply == WITH_ISSUE,
            Delivery.subscriber_id.is_not(None),
            _followed(),
        )
    )
    if people is not None:
        owed = owed.where(Delivery.subscriber_id > people[0], Delivery.subscriber_id <= people[1])
    if again:  # not at first: PostgreSQL would look through what this very statement writes, for each row anew
        known = exists().where(Carried.delivery_id == Delivery.id, Carried.entry_id == EditionEntry.entry_id)
        owed = owed.where(~known)
    columns = ["delivery_id", "entry_id", "subscriber_id", "series_id", "at"]
    session.execute(dialect.insert(Carried).from_select(columns, owed).on_conflict_do_nothing())


def people(session: Session, issue_id: int) -> int:
    """How many people have, or had, something of the issue on their list."""
    mine = select(func.count(Carried.delivery_id.distinct())).join(Delivery, Delivery.id == Carried.delivery_id)
    return session.scalar(mine.where(Delivery.issue_id == issue_id)) or 0


def waiting(session: Session, after: int, until: int) -> dict[int, list[Listed]]:
    """By subscriber in (after, until], what waits."""
    found: dict[int, list[Listed]] = defaultdict(list)
    columns = (Carried.delivery_id, Carried.entry_id, Carried.subscriber_id, Carried.series_id)
    query = select(*columns).where(
        Carried.taken_at.is_(None), Carried.subscriber_id > after, Carried.subscriber_id <= until
    )
    for row in session.execute(query):
        found[row.subscriber_id].append(Listed(*row))
    return found


def anything(session: Session) -> bool:
    """Whether something waits for anybody."""
    return session.scalar(select(Carried.delivery_id).where(Carried.taken_at.is_(None)).limit(1)) is not None


def waits(session: Session, delivery_id: int, entry_id: int) -> bool:
    """Whether an entry of a cancelled delivery is on its person's list still."""
    row = session.get(Carried, (delivery_id, entry_id))
    return row is not None and row.taken_at is None


def take(session: Session, rows: Iterable[Listed], issue_id: int | None) -> set[tuple[int, int]]:
    """Takes rows off the lists for an issue (None: for nobody); (subscriber, entry) of those that nobody took before."""
    taken: set[tuple[int, int]] = set()
    wanted, now = list(rows), ledger_now(session)
    for start in range(0, len(wanted), _AT_A_TIME):
        keys = [(row.delivery_id, row.entry_id) for row in wanted[start : start + _AT_A_TIME]]
        mine = session.execute(
            update(Carried)
            .where(tuple_(Carried.delivery_id, Carried.entry_id).in_(keys), Carried.taken_at.is_(None))
            .values(taken_by=issue_id, taken_at=now)
            .returning(Carried.subscriber_id, Carried.entry_id),
            execution_options=_UNSYNCED,
        )
        taken |= {(person, entry) for person, entry in mine}
    return taken


def drop_unfollowed(session: Session, subscriber_id: int) -> None:
    """What a person follows no longer goes off their list: who comes back begins with what is new then."""
    rows = waiting(session, subscriber_id - 1, subscriber_id).get(subscriber_id, [])
    if not rows:
        return
    query = select(Subscription.scope, Subscription.state, Subscription.shields)
    wishes = session.execute(query.where(Subscription.subscriber_id == subscriber_id)).all()
    follows = {scope for scope, state, _ in wishes if state == "active"}
    shielded = {scope for scope, _, shields in wishes if shields and scope}
    take(session, [row for row in rows if not covered(row.series_id, follows, shielded)], None)


def _followed() -> ColumnElement[bool]:
    """As `covered`, of a delivery's person and an entry's series."""

    def theirs(*which: ColumnElement[bool]) -> ColumnElement[bool]:
        wish = exists().where(Subscription.subscriber_id == Delivery.subscriber_id, *which)
        return wish.correlate(Delivery, Entry)

    active, own = Subscription.state == "active", Subscription.scope == Entry.series_id
    return or_(
        theirs(own, active), theirs(Subscription.scope == 0, active) & ~theirs(own, Subscription.shields.is_(True))
    )


def covered(series_id: int, scopes: Collection[int], shielded: Collection[int]) -> bool:
    """Whether one of these subscriptions (0: all) is the one that brings the series. Pure."""
    return series_id in scopes or (0 in scopes and series_id not in shielded)


def published(session: Session, entry_ids: Collection[int]) -> list[tuple[int, int, int, int, bool]]:
    """Those of the entries that are there: (id, series_id, mail_seq, revision_id, mailed_anew)."""
    found: list[tuple[int, int, int, int, bool]] = []
    wanted = sorted(set(entry_ids))
    for start in range(0, len(wanted), _AT_A_TIME):
        query = select(Entry.id, Entry.series_id, Entry.mail_seq, Entry.revision_id, Entry.mailed_anew).where(
            Entry.id.in_(wanted[start : start + _AT_A_TIME]), Entry.state == "published"
        )
        for id_, series_id, mail_seq, revision_id, anew in session.execute(query):
            if mail_seq is not None and revision_id is not None:
                found.append((id_, series_id, mail_seq, revision_id, anew))
    return found

"""The cursors of one chunk of subscribers: moved by one statement that also writes down where they stood.

Guarantees: each window is given to exactly one caller, because the statement that moves a cursor keeps what it was beside it
and by which issue, under the row's lock; a cursor never moves back; every statement is bounded by the chunk's subscribers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import String, and_, case, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from syndication.ledger import past
from syndication.ledger.bulk import among
from syndication.ledger.due import Cut, behind, concerned
from syndication.ledger.tables import Delivery, EditionEntry, Entry, SeriesStart, Subscriber, Subscription

HAS_IT = ("sent", "unknown", "sending", "pending", "deferred")  # who has, or may yet get, an entry that comes anew
_AT_A_TIME = 200  # scopes: SQLite bounds the depth of a condition
_UNSYNCED = {"synchronize_session": False}


class Alike(NamedTuple):
    """Some of a chunk's people, in one language, whose cursors stood alike. `stood`: (scope, cursor), scope 0 for all, else
    a series. `people`: (subscriber id, address key)."""

    language: str
    stood: tuple[tuple[int, int], ...]
    people: list[tuple[int, str]]


def move(session: Session, issue_id: int, cut: Cut, after: int, until: int) -> list[Alike]:
    """Moves the cursors of the chunk `(after, until]` to `cut.upto`; whose they were and where they stood. One beyond
    `upto` stays, and is given too where a start of one of its series lies before (see `starts`)."""
    session.execute(
        update(Subscription)
        .where(*behind(cut, after, until))
        .values(
            moved_by=issue_id,
            cursor_was=Subscription.cursor,
            cursor=case((Subscription.cursor < cut.upto, cut.upto), else_=Subscription.cursor),
        ),
        execution_options=_UNSYNCED,
    )
    # The rows are ours until the commit. Grouped here, so that a million people are not a million rows on the way.
    stood = Subscription.scope.cast(String) + ":" + Subscription.cursor_was.cast(String)
    person = (
        select(Subscription.subscriber_id.label("id"), func.aggregate_strings(stood, " ").label("stood"))
        .where(*concerned(cut, after, until), Subscription.moved_by == issue_id)
        .group_by(Subscription.subscriber_id)
        .subquery()
    )
    who = person.c.id.cast(String) + " " + Subscriber.address_key
    rows = session.execute(
        select(Subscriber.language, person.c.stood, func.aggregate_strings(who, "\n"))
        .join(Subscriber, Subscriber.id == person.c.id)
        .group_by(Subscriber.language, person.c.stood)
    )
    return [Alike(language, _read_stood(stood), _read_people(people)) for language, stood, people in rows]


@lru_cache(maxsize=50_000)
def _read_stood(text: str) -> tuple[tuple[int, int], ...]:
    pairs = (part.split(":") for part in text.split(" "))
    return tuple(sorted((int(scope), int(cursor)) for scope, cursor in pairs))


def _read_people(text: str) -> list[tuple[int, str]]:
    pairs = (line.split(" ", 1) for line in text.split("\n"))
    return [(int(id_), address_key) for id_, address_key in pairs]


def shields(session: Session, subscriber_ids: Collection[int]) -> dict[int, set[int]]:
    """subscriber → the series that these people's `all` leaves out."""
    found: dict[int, set[int]] = defaultdict(set)
    query = select(Subscription.subscriber_id, Subscription.scope).where(
        among(session, Subscription.subscriber_id, subscriber_ids), Subscription.shields, Subscription.scope > 0
    )
    for person, scope in session.execute(query):
        found[person].add(scope)
    return found


def starts(session: Session, subscriber_ids: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """subscriber → (series, cursor) where these people's `all` starts a series elsewhere than at its own cursor."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    query = (
        select(Subscription.subscriber_id, SeriesStart.series_id, SeriesStart.cursor)
        .join(Subscription, Subscription.id == SeriesStart.subscription_id)
        .where(among(session, Subscription.subscriber_id, subscriber_ids))
    )
    for person, series, cursor in session.execute(query):
        found[person].append((series, cursor))
    return found


def use_up(session: Session, subscriber_ids: Collection[int], upto: int) -> None:
    """After a freeze up to `upto`: starts that lay before it lie there now, and one that stands where its subscription
    stands is gone."""
    mine = exists().where(
        Subscription.id == SeriesStart.subscription_id, among(session, Subscription.subscriber_id, subscriber_ids)
    )
    session.execute(
        update(SeriesStart).where(mine, SeriesStart.cursor < upto).values(cursor=upto), execution_options=_UNSYNCED
    )
    level = mine.where(Subscription.cursor == SeriesStart.cursor)
    session.execute(delete(SeriesStart).where(level), execution_options=_UNSYNCED)


def mailable(
    session: Session, publication_id: int, after: Mapping[int, int], upto: int
) -> list[tuple[int, int, int, int, bool]]:
    """Published entries up to `upto`: (id, series_id, mail_seq, revision_id, mailed_anew), in order of `mail_seq`. `after`:
    scope → the number beyond which its entries count, scope 0 for those of all series."""
    found: set[tuple[int, int, int, int, bool]] = set()
    scopes = sorted(after.items())
    for start in range(0, len(scopes), _AT_A_TIME):
        some = [
            Entry.mail_seq > number if scope == 0 else and_(Entry.series_id == scope, Entry.mail_seq > number)
            for scope, number in scopes[start : start + _AT_A_TIME]
        ]
        query = select(Entry.id, Entry.series_id, Entry.mail_seq, Entry.revision_id, Entry.mailed_anew).where(
            Entry.publication_id == publication_id, Entry.mail_seq <= upto, Entry.state == "published", or_(*some)
        )
        found |= {
            (entry, series, mail_seq, revision, anew)
            for entry, series, mail_seq, revision, anew in session.execute(query)
            if mail_seq is not None and revision is not None
        }
    return sorted(found, key=lambda row: row[2])


def already_had(session: Session, entry_ids: Sequence[int], after: int, until: int) -> dict[int, set[int]]:
    """subscriber → those of these entries that they have, or may yet get from an earlier issue; of the chunk's people."""
    found: dict[int, set[int]] = defaultdict(set)
    if not entry_ids:
        return found
    query = (
        select(Delivery.subscriber_id, EditionEntry.entry_id)
        .join(EditionEntry, EditionEntry.edition_id == Delivery.edition_id)
        .where(
            among(session, EditionEntry.entry_id, entry_ids),
            Delivery.subscriber_id > after,
            Delivery.subscriber_id <= until,
            Delivery.state.in_(HAS_IT),
        )
    )
    for person, entry in session.execute(query):
        found[person or 0].add(entry)
    for entry, bundled in past.got(session, entry_ids, after + 1, until):
        found[bundled.delivery.subscriber_id].add(entry)
    return found

"""Who is owed a digest: the questions of the cut, and in which steps the freeze walks, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, and_, exists, func, literal_column, or_, select, text
from sqlalchemy.orm import Session

from syndication.ledger.tables import Carried, Entry, SeriesStart, Subscription

# Literal: a partial index does not match a parameter.
_ACTIVE = literal_column("subscription.state = 'active'", Boolean)
_AT_ONCE = literal_column("subscription.cadence = 'at-once'", Boolean)
# Untyped: to SQLite a Boolean is `(…) = 1`, which matches none. Where no scopes are asked for, it is to walk by subscriber.
_ACTIVE_AT_ONCE: ColumnElement[bool] = literal_column(
    "subscription.state = 'active' AND subscription.cadence = 'at-once'"
)


@dataclass(frozen=True)
class Cut:
    """Whom an issue concerns. `zones` empty: everybody; `active_by` None: whenever they became active. `at`: since when its
    deliveries are due, all alike, so that they are claimed edition by edition. `carried`: what was carried over for somebody
    is reason enough. `at_once`: a subscription to a series in which nothing is new for it stays where it is, so that an entry
    costs what its own followers cost. `scopes`, for mail at once: no subscription but to these (0: all) can have something new;
    empty: not known."""

    publication_id: int
    cadence: str
    zones: tuple[str, ...]
    upto: int
    active_by: datetime | None = None
    at: datetime | None = None
    spread_minutes: int = 0
    carried: bool = True
    at_once: bool = False
    scopes: tuple[int, ...] = ()


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


def series_between(session: Session, publication_id: int, after: int, upto: int) -> list[int]:
    """The series that have a published entry with `after < mail_seq ≤ upto`."""
    query = select(Entry.series_id).where(
        Entry.publication_id == publication_id,
        Entry.state == "published",
        Entry.mail_seq > after,
        Entry.mail_seq <= upto,
    )
    return sorted(session.scalars(query.distinct()))


def anyone_behind(session: Session, cut: Cut) -> bool:
    """Whether the issue would move any cursor at all."""
    return session.execute(select(Subscription.id).where(*behind(cut)).limit(1)).first() is not None


def chunk_ends(session: Session, cut: Cut, after: int, size: int) -> list[int]:
    """The last subscriber id of each chunk of at most `size` subscribers with something to move, beyond `after`."""
    people = select(Subscription.subscriber_id.label("id")).where(*behind(cut, after)).distinct().subquery()
    numbered = select(people.c.id, func.row_number().over(order_by=people.c.id).label("n")).subquery()
    ends = list(session.scalars(select(numbered.c.id).where(numbered.c.n % size == 0).order_by(numbered.c.id)))
    last = session.scalar(select(func.max(Subscription.subscriber_id)).where(*behind(cut, ends[-1] if ends else after)))
    return [*ends, last] if last is not None else ends


def behind(cut: Cut, after: int = 0, until: int | None = None) -> list[ColumnElement[bool]]:
    """Of the subscribers in (after, until], the active subscriptions that this issue would move, or for whose person
    something was carried over, where that is reason enough."""
    earlier = exists().where(SeriesStart.subscription_id == Subscription.id, SeriesStart.cursor < cut.upto)
    listed = exists().where(
        Carried.subscriber_id == Subscription.subscriber_id,
        Carried.taken_at.is_(None),
        or_(Subscription.scope == 0, Carried.series_id == Subscription.scope),
    )
    newer = exists().where(
        Entry.series_id == Subscription.scope,
        Entry.mail_seq > Subscription.cursor,
        Entry.mail_seq <= cut.upto,
        Entry.state == "published",
    )
    stands = Subscription.cursor < cut.upto
    reasons = [
        and_(stands, or_(Subscription.scope == 0, newer)) if cut.at_once else stands,
        and_(Subscription.scope == 0, earlier),
    ]
    conditions = concerned(cut, after, until)
    conditions.append(or_(*reasons, listed) if cut.carried else or_(*reasons))
    if cut.active_by is not None:
        conditions.append(Subscription.active_at <= cut.active_by)
    return conditions


def concerned(cut: Cut, after: int = 0, until: int | None = None) -> list[ColumnElement[bool]]:
    """Of the subscribers in (after, until], the active subscriptions at the issue's cadence and hour."""
    conditions: list[ColumnElement[bool]] = [_AT_ONCE if cut.at_once else Subscription.cadence == cut.cadence, _ACTIVE]
    if cut.scopes:
        conditions = [_ACTIVE_AT_ONCE, Subscription.scope.in_(cut.scopes)]
    if cut.zones:
        conditions.append(Subscription.timezone.in_(cut.zones))
    if after:
        conditions.append(Subscription.subscriber_id > after)
    if until is not None:
        conditions.append(Subscription.subscriber_id <= until)
    return conditions

"""The record of an address: found, or made where there is none. Of two who make it at once the second finds the first's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication.audience.handles import new_handle
from syndication.audience.wishes import Wanted
from syndication.ledger.tables import Publication, Subscriber, Subscription

_AT_A_TIME = 10_000  # parameters of one IN; SQLite takes 32,766


def person_of(session: Session, publication_id: int, address_key: str) -> Subscriber | None:
    mine = (Subscriber.publication_id == publication_id) & (Subscriber.address_key == address_key)
    return session.scalars(select(Subscriber).where(mine)).first()


def make_person(session: Session, publication: Publication, wanted: Wanted, now: datetime) -> Subscriber:
    found = person_of(session, publication.id, wanted.address.key)
    if found is None:
        make_people(session, publication, [wanted], now)
        found = person_of(session, publication.id, wanted.address.key)
        assert found is not None
    return found


def make_people(session: Session, publication: Publication, wanted: Sequence[Wanted], now: datetime) -> dict[str, int]:
    """Folded address → id of the people this call made. Those who were there already are not among them."""
    keys = [one.address.key for one in wanted]
    known: set[str] = set()
    for start in range(0, len(keys), _AT_A_TIME):
        query = select(Subscriber.address_key).where(
            Subscriber.publication_id == publication.id, Subscriber.address_key.in_(keys[start : start + _AT_A_TIME])
        )
        known.update(session.scalars(query))
    rows = [
        {
            "publication_id": publication.id,
            "address": one.address.written,
            "address_key": one.address.key,
            "domain": one.address.domain,
            "name": one.name,
            "language": one.language,
            "timezone": one.timezone,
            "handle": new_handle(),
            "demo": False,
            "created_at": now,
        }
        for one in wanted
        if one.address.key not in known
    ]
    if not rows:
        return {}
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(Subscriber).on_conflict_do_nothing().returning(Subscriber.address_key, Subscriber.id)
    return {row.address_key: row.id for row in session.execute(insert, rows)}


def wishes_of(
    session: Session, publication_id: int, address_keys: Collection[str]
) -> dict[str, dict[int, Subscription]]:
    """Folded address → the person's subscriptions by scope, for those of a batch who have any. A look, without a lock."""
    query = (
        select(Subscriber.address_key, Subscription)
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .where(Subscriber.publication_id == publication_id, Subscriber.address_key.in_(address_keys))
    )
    found: dict[str, dict[int, Subscription]] = {}
    for key, wish in session.execute(query) if address_keys else ():
        found.setdefault(key, {})[wish.scope] = wish
    return found

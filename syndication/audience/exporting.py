"""Hand out the list of people in the columns that an import takes, with how they agreed, and who left."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.ledger.suppressions import reasons_among
from syndication.ledger.tables import Consent, Publication, Series, Subscriber, Subscription


def export_people(session: Session, publication: Publication) -> Iterator[dict[str, str]]:
    """One row a subscription, in the columns of an import."""
    query = (
        select(Subscriber, Subscription, Series.slug)
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .outerjoin(Series, Series.id == Subscription.series_id)
        .where(Subscriber.publication_id == publication.id)
        .order_by(Subscriber.id, Subscription.id)
        .execution_options(yield_per=1_000)
    )
    for some in session.execute(query).partitions():
        people = {person.id: person for person, _, _ in some}
        consent = _agreed(session, list(people))
        reasons = reasons_among(session, publication.id, [person.address_key for person in people.values()])
        for person, wish, slug in some:
            yield {
                "address": person.address,
                "name": person.name,
                "series": slug or "all",
                "cadence": wish.cadence,
                "timezone": person.timezone,
                "language": person.language,
                **consent.get(person.id, {"consent": "", "consent_at": "", "consent_ip": ""}),
                "state": wish.state,
                "suppressed": reasons.get(person.address_key, ""),
            }


def _agreed(session: Session, people: list[int]) -> dict[int, dict[str, str]]:
    """How each of them agreed last: by confirming here, or as a list said."""
    query = (
        select(Consent)
        .where(Consent.subscriber_id.in_(people), Consent.act.in_(("confirmed", "imported")))
        .order_by(Consent.id)
    )
    found = {}
    for row in session.scalars(query):
        said = row.detail if row.act == "imported" else {}
        found[row.subscriber_id] = {
            "consent": said.get("consent") or ("confirmed from the mailbox" if row.act == "confirmed" else ""),
            "consent_at": said.get("consent_at") or row.at.isoformat(),
            "consent_ip": said.get("consent_ip") or row.ip,
        }
    return found

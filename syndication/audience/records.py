"""What is kept about a person, as plain data: for the publisher's command line, and for the person themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.audience.leaving import suppression
from syndication.ledger import past
from syndication.ledger.tables import Consent, Delivery, Series, Subscriber, Subscription


def record_of(session: Session, person: Subscriber) -> dict[str, Any]:
    """Consent and subscriptions as they are stored; nothing reckoned from the clock."""
    barred = suppression(session, person.publication_id, person.address_key)
    wishes = session.execute(
        select(Subscription, Series.slug)
        .outerjoin(Series, Series.id == Subscription.series_id)
        .where(Subscription.subscriber_id == person.id)
        .order_by(Subscription.scope)
    )
    consent = session.scalars(select(Consent).where(Consent.subscriber_id == person.id).order_by(Consent.id))
    return {
        "address": person.address,
        "name": person.name,
        "language": person.language,
        "timezone": person.timezone,
        "demo": person.demo,
        "created_at": person.created_at,
        "suppressed": barred.reason if barred else None,
        "suppressed_reply": barred.reply if barred else "",
        "subscriptions": [
            {
                "series": slug or "all", "cadence": s.cadence, "state": s.state, "cursor": s.cursor,
                "asked_at": s.asked_at, "active_at": s.active_at, "ended_at": s.ended_at, "reason": s.ended_reason,
            }
            for s, slug in wishes
        ],
        "consent": [
            {"act": c.act, "at": c.at, "ip": c.ip, "user_agent": c.user_agent, "detail": c.detail} for c in consent
        ],
    }  # fmt: skip


def whole_record(session: Session, person: Subscriber) -> dict[str, Any]:
    """`record_of` and the mail that went, or was to go, to the person: what they may take with them (GDPR, article 20)."""
    rows = session.scalars(select(Delivery).where(Delivery.subscriber_id == person.id))
    mails = [*rows, *(found.as_delivery() for found in past.of_person(session, person.id))]
    return record_of(session, person) | {
        "mail": [
            {"id": d.id, "kind": d.kind, "state": d.state, "created_at": d.created_at, "sent_at": d.sent_at}
            for d in sorted(mails, key=lambda d: d.id)
        ],
    }

"""Letters: transactional mail as rows, a delivery and what it says. Whoever has something to tell one person posts it here."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from syndication.ledger.db import ledger_now, ring_after_commit
from syndication.ledger.mailings import Delivery, Letter


def post(
    session: Session,
    *,
    publication_id: int,
    subscriber_id: int | None,
    address: str,
    language: str,
    template: str,
    context: dict[str, Any],
) -> int:
    """A letter to one person, due now; the delivery's id. `template` is a name in templates/mail/letters.

    `context` is what the template needs and holds no token: where it has a `confirm`, the template gets a `confirm_url`
    that is signed for this letter when it is written out (`mail.letters`).
    """
    now = ledger_now(session)
    delivery = Delivery(
        publication_id=publication_id,
        subscriber_id=subscriber_id,
        kind="transactional",
        priority=0,
        state="pending",
        due_at=now,
        created_at=now,
    )
    session.add(delivery)
    session.flush()
    session.add(Letter(delivery_id=delivery.id, template=template, address=address, language=language, context=context))
    session.flush()
    ring_after_commit(session, "mail.send_transactional")
    return delivery.id

"""A slice's end: everything that became of it into the ledger in one transaction; what went stale gets its new edition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from syndication.audience import leaving
from syndication.audience.addresses import key_of
from syndication.digests.control import issue_named, settle
from syndication.digests.repoint import NOTHING_LEFT, renewed
from syndication.ledger import claims
from syndication.ledger.audience import Subscriber
from syndication.ledger.bulk import among
from syndication.ledger.claims import Claimed, Outcome
from syndication.ledger.destinations import Destination, Hold, hold
from syndication.ledger.mailings import Delivery, Letter
from syndication.mail.consequences import calls_invalid, doubted, weighed
from syndication.mail.gate import narrowed
from syndication.mail.manners import Told, hear, providers_of, wake_next
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

Stale = Mapping[tuple[int, frozenset[int]], Sequence[Claimed]]


def fold_slice(wiring: Wiring, lease_id: int, outcomes: Sequence[Outcome], stale: Stale, told: Told) -> None:
    """`stale`: by (edition, the series of it that stay) the deliveries, `pending` among the outcomes."""
    step = timedelta(seconds=wiring.settings.pacing_seconds)
    providers = providers_of(told, outcomes)
    with wiring.db.transaction() as session:
        awake: list[Destination] = []
        if providers or told.turns.to:
            outcomes, awake = hear(session, told, outcomes, step, providers)
        outcomes = doubted(outcomes, told.domains)
        issues = write_down(session, lease_id, outcomes, wiring.settings.retry_ladder)
        wake_next(session, awake, step)
        for (edition_id, keep), rows in stale.items():
            _renew(session, edition_id, keep, rows)
        for issue_id in sorted(issues):
            settle(session, issue_id)


def write_down(session: Session, lease_id: int, outcomes: Sequence[Outcome], ladder: Sequence[int]) -> set[int]:
    """Outcomes with all that follows from their replies; the issues concerned, to be settled by the caller."""
    issues = claims.fold(session, lease_id, [weighed(outcome) for outcome in outcomes], ladder)
    hold(session, [Hold(o.delivery_id, o.held_by, o.slot_at) for o in outcomes if o.held_by is not None])
    if nobody := {outcome.delivery_id: outcome.reply for outcome in outcomes if calls_invalid(outcome)}:
        _suppress(session, nobody)
    return issues


def _suppress(session: Session, replies: Mapping[int, str]) -> None:
    """Where the relay said that there is nobody, nothing goes any more. What the person follows stays as it is, so that
    lifting it is enough."""
    query = (
        select(Delivery.id, Delivery.publication_id, Subscriber.id, func.coalesce(Letter.address, Subscriber.address))
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .outerjoin(Letter, Letter.delivery_id == Delivery.id)
        .where(among(session, Delivery.id, replies), Delivery.state == "failed")
        .order_by(Subscriber.id, Delivery.id)
    )
    for id_, publication_id, person, address in session.execute(query).all():
        if address is None:
            continue  # erased meanwhile
        leaving.suppress(session, publication_id, key_of(address), "bounced", replies[id_])
        if person is not None:
            leaving.stop_deliveries(session, person, "the address is suppressed (bounced)")
        log.info("mail.no_such_user", delivery=id_, reply=replies[id_])


def _renew(session: Session, edition_id: int, keep: frozenset[int], rows: Sequence[Claimed]) -> None:
    issue_named(session, rows[0].issue_id or 0, lock=True)  # nobody else makes the same edition meanwhile
    instead = renewed(session, edition_id)
    if instead is not None:
        instead = narrowed(session, instead, keep)
    values: dict[str, object] = {"edition_id": instead}
    if instead is None:
        values = {"state": "cancelled", "reply": NOTHING_LEFT}
    session.execute(
        update(Delivery).where(Delivery.id.in_([row.id for row in rows]), Delivery.state == "pending").values(**values),
        execution_options={"synchronize_session": False},
    )

"""Who got what: list deliveries, explain one. Looks and changes nothing; `mail.resolving` acts."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from syndication.errors import BadInput, NotFound
from syndication.ledger import past
from syndication.ledger.audience import Subscriber
from syndication.ledger.claims import LAST_ANSWER
from syndication.ledger.content import Entry, Revision
from syndication.ledger.lookup import the_publication
from syndication.ledger.mailings import Delivery, EditionEntry, Lease, Letter
from syndication.ledger.states import DELIVERY_STATES
from syndication.mail import headers
from syndication.mail.consequences import REFUSED, in_words
from syndication.mail.meaning import meaning_of
from syndication.mail.resolving import TAKEN_AS_SENT, Chosen

_ADDRESS = func.coalesce(Letter.address, Subscriber.address, "(erased)")
_SAYS = {
    "pending": "It waits to be sent, from {due} on.",
    "sending": "A worker has it until {until}; then its journal tells, or it is unknown after the grace.",
    "deferred": "The relay refused it for now, {tries}; it is tried again at {due}, or now by "
    "`syndicate deliveries retry {id}`.",
    "sent": "The relay accepted it at {sent}.",
    "taken as sent": "It was {reply}.",
    "suppressed": "It was not sent: {reply}.",
    "failed": "The relay refused it for good, {tries}; `syndicate deliveries retry {id}` tries once more.",
    "unknown": "It was on the wire and the answer was lost, so it may have arrived; "
    "`syndicate deliveries resolve {id} --as sent` takes it as sent, `--as again` sends it with the same Message-ID.",
    "cancelled": "It was cancelled: {reply}.",
}


def listing(session: Session, chosen: Chosen, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Deliveries, the newest first: id, issue, kind, address, state, tries, due, sent, reply."""
    if state is not None and state not in DELIVERY_STATES:
        raise BadInput(f"{state!r} is no state of a delivery;", remedy=f"write one of {', '.join(DELIVERY_STATES)}.")
    query = _joined().where(*chosen.conditions()).order_by(Delivery.id.desc()).limit(limit)
    if state is not None:
        query = query.where(Delivery.state == state)
    rows = [_row(delivery, address) for delivery, address in session.execute(query)]
    if chosen.issue is not None and state in {None, "sent"} and len(rows) < limit:
        rows += _bundled(session, chosen.issue, chosen.domain, limit - len(rows))
    return rows


def _bundled(session: Session, issue: int, domain: str | None, limit: int) -> list[dict[str, Any]]:
    """Deliveries of an issue that was bundled long ago (see `ledger.past`)."""
    found: list[dict[str, Any]] = []
    all_of_it = past.of_issue(session, issue)
    while some := list(islice(all_of_it, 500)):
        ids = [one.delivery.subscriber_id for one in some]
        people = {
            id_: (address, of)
            for id_, address, of in session.execute(
                select(Subscriber.id, Subscriber.address, Subscriber.domain).where(Subscriber.id.in_(ids))
            )
        }
        for one in some:
            address, of = people.get(one.delivery.subscriber_id, ("(erased)", ""))
            if domain is None or of == domain.lower().lstrip("@"):
                found.append(_row(one.as_delivery(), address))
                if len(found) == limit:
                    return found
    return found


def explain(session: Session, delivery_id: int) -> dict[str, Any]:
    """One delivery with a sentence on how it stands, its entries and its Message-ID. NotFound names the way to list."""
    found = session.execute(_joined().where(Delivery.id == delivery_id)).first()
    bundled = past.find(session, delivery_id) if found is None else None
    if found is not None:
        delivery, address = found
    elif bundled is not None:
        delivery = bundled.as_delivery()
        person = session.get(Subscriber, bundled.delivery.subscriber_id)
        address = person.address if person else "(erased)"
    else:
        raise NotFound(f"there is no delivery {delivery_id};", remedy="see `syndicate deliveries list`.")
    publication = the_publication(session)
    lease = session.get(Lease, delivery.lease_id) if delivery.lease_id else None
    domain = headers.parsed_mailbox(publication.mail_from)[1].rpartition("@")[2]
    revisions = select(EditionEntry.revision_id).where(EditionEntry.edition_id == delivery.edition_id)
    entries = session.execute(
        select(Entry.slug, Revision.title, Revision.number)
        .join(Revision, Revision.entry_id == Entry.id)
        .where(Revision.id.in_(bundled.as_edition().revisions if bundled else revisions))
        .order_by(Entry.id)
    ).all()
    standing = "taken as sent" if delivery.reply.startswith(TAKEN_AS_SENT) else delivery.state
    sentence = _SAYS[standing].format(
        id=delivery.id,
        due=_moment(delivery.due_at),
        sent=_moment(delivery.sent_at),
        until=_moment(lease.until if lease else None),
        tries="once" if delivery.attempts == 1 else f"{delivery.attempts} times",
        reply=delivery.reply or "no reason is kept",
    )
    return {
        **_row(delivery, address),
        "sentence": sentence,
        **(_meaning(delivery.reply) if delivery.state in REFUSED else {}),
        "entries": [f"{title} ({slug}, revision {number})" for slug, title, number in entries],
        "message_id": headers.message_id(publication.tag_authority, delivery.id, delivery.created_at, domain),
        "worker": f"{lease.host}, {lease.journal}" if lease else None,
    }


def _joined() -> Select[Delivery, str]:
    return (
        select(Delivery, _ADDRESS)
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .outerjoin(Letter, Letter.delivery_id == Delivery.id)
    )


def _row(delivery: Delivery, address: str) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "issue": delivery.issue_id,
        "kind": delivery.kind,
        "address": address,
        "state": delivery.state,
        "tries": delivery.attempts,
        "due": delivery.due_at if delivery.state in {"pending", "deferred"} else None,
        "sent": delivery.sent_at,
        "reply": delivery.reply,
    }


def _meaning(reply: str) -> dict[str, str]:
    said = reply.rpartition(LAST_ANSWER)[2]
    return in_words(meaning_of(said), said)


def _moment(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC") if at else "a time not kept"

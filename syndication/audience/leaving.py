"""Leave: one series, everything, or the record itself; and who gets no mail.

Guarantees: who left gets no further mail from the moment of the commit (pending deliveries become suppressed; the sender
asks again before the wire); the suppression is a keyed hash that outlives the erased record, so that no list brings them
back (guarantee 6); leaving twice is as good as once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience.addresses import key_of
from syndication.audience.following import Held, add_ended, end, held, is_active, note
from syndication.audience.handles import handle_hash
from syndication.audience.wishes import EVERYTHING, Evidence
from syndication.digests.control import settle
from syndication.errors import Conflict, NotFound
from syndication.ledger import carrying
from syndication.ledger.suppressions import address_hash, pepper
from syndication.ledger.tables import Carried, Delivery, FormerHandle, Letter, Subscriber, Suppression

OF_THEIR_OWN: Final = frozenset({"left", "erased"})  # who went by themselves may come back by confirming anew
LIFTABLE: Final = frozenset({"bounced", "manual"})  # by the publisher


def leave(
    session: Session, person: Subscriber, evidence: Evidence, *, series_id: int | None = None, reason: str = "left"
) -> bool:
    """Ends one series (`series_id`) or everything (None); whether anything changed.

    One series out of `all` is an ended subscription that shields it. Who follows nothing any more is suppressed.
    `reason` (left | bounced | complained | manual) is kept with the suppression and the subscriptions.
    """
    now = clock.now()
    rows = held(session, person.id)
    active_before = is_active(rows)
    ended: list[int] = []
    if series_id is None:
        going = [row for row in rows.values() if row.state in ("active", "asked")]
    else:
        row = rows.get(series_id)
        going = [row] if row is not None and row.state in ("active", "asked") else []
        if not going and _out_of_all(session, person, rows, series_id, reason, now):
            ended.append(series_id)
    for row in going:
        end(row, reason, now)
        ended.append(row.scope)
    session.flush()
    carrying.drop_unfollowed(session, person.id)
    gone = series_id is None or (active_before and not is_active(rows))
    changed = bool(ended)
    if gone:
        changed |= suppress(session, person.publication_id, person.address_key, reason)
        stop_deliveries(session, person.id, f"the address is suppressed ({reason})")
    if changed:
        note(session, person, "ended", {"scopes": ended, "reason": reason}, evidence, now)
        session.flush()
    return changed


def _out_of_all(session: Session, person: Subscriber, rows: Held, series_id: int, reason: str, now: datetime) -> bool:
    """Shields a series from the person's `all`, where that covers it."""
    everything, row = rows.get(EVERYTHING), rows.get(series_id)
    if everything is None or everything.state != "active" or (row is not None and row.shields):
        return False
    if row is None:
        add_ended(session, person, rows, series_id, everything.cadence, everything.cursor, reason, now)
    else:  # it ended once, and `all` took it in again
        row.shields, row.ended_at, row.ended_reason = True, now, reason
    return True


def erase(session: Session, person: Subscriber, evidence: Evidence | None = None) -> None:
    """Deletes the record of a person with their consent, wishes and letters. What stays: that this hashed address gets no
    mail, that this hashed handle was somebody's, and deliveries without a name, so that an issue's counts add up."""
    leave(session, person, evidence or Evidence(via="erasure"))
    session.execute(
        update(Suppression)
        .where(*_this(session, person.publication_id, person.address_key), Suppression.reason == "left")
        .values(reason="erased")
    )
    # The relay's words often repeat the address.
    session.execute(
        update(Suppression).where(*_this(session, person.publication_id, person.address_key)).values(reply="")
    )
    session.execute(delete(Carried).where(Carried.subscriber_id == person.id))
    mine = select(Delivery.id).where(Delivery.subscriber_id == person.id)
    session.execute(delete(Letter).where(Letter.delivery_id.in_(mine)))
    session.execute(update(Delivery).where(Delivery.subscriber_id == person.id).values(reply="", subscriber_id=None))
    session.merge(
        FormerHandle(
            handle_hash=handle_hash(person.handle),
            address_hash=address_hash(pepper(session), person.address_key),
            at=clock.now(),
        )
    )
    session.flush()
    session.expunge(person)
    session.execute(delete(Subscriber).where(Subscriber.id == person.id))


def suppressed(session: Session, publication_id: int, address: str) -> bool:
    """Whether an address gets no mail, for whatever reason."""
    return suppression(session, publication_id, key_of(address)) is not None


def suppression(session: Session, publication_id: int, address_key: str) -> Suppression | None:
    return session.scalars(select(Suppression).where(*_this(session, publication_id, address_key))).first()


def barred(session: Session, publication_id: int, address_key: str) -> bool:
    """Whether not even a confirmation goes there: the address bounced, its owner complained, or the publisher said so."""
    found = suppression(session, publication_id, address_key)
    return found is not None and found.reason not in OF_THEIR_OWN


def suppress(session: Session, publication_id: int, address_key: str, reason: str, reply: str = "") -> bool:
    """Keeps that an address gets no mail; whether that is news. A reason that bars outweighs that they left.

    `reply`: the words that said so, where a relay did.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(Suppression).values(
        publication_id=publication_id,
        address_hash=address_hash(pepper(session), address_key),
        reason=reason,
        reply=reply,
        at=clock.now(),
    )
    made = session.scalar(insert.on_conflict_do_nothing().returning(Suppression.id))
    if made is None and reason not in OF_THEIR_OWN:
        session.execute(
            update(Suppression)
            .where(*_this(session, publication_id, address_key), Suppression.reason.in_(OF_THEIR_OWN))
            .values(reason=reason, reply=reply, at=clock.now())
        )
    return made is not None


def lift(session: Session, person: Subscriber) -> None:
    """Who left by themselves confirms anew: mail may go there again, and the links of mails before an erasure lead here."""
    this = _this(session, person.publication_id, person.address_key)
    session.execute(delete(Suppression).where(*this, Suppression.reason.in_(OF_THEIR_OWN)))
    session.execute(
        update(FormerHandle)
        .where(FormerHandle.address_hash == address_hash(pepper(session), person.address_key))
        .values(subscriber_id=person.id)
    )


def allow_again(session: Session, publication_id: int, address: str) -> str:
    """The publisher lifts a suppression that a relay's answer or the publisher made; its reason.

    Raises NotFound where there is none, Conflict where its owner decided so: who left comes back by confirming anew.
    """
    found = suppression(session, publication_id, key_of(address))
    if found is None:
        raise NotFound(f"{address} is not suppressed;", remedy="`syndicate subscribers show` tells what it follows.")
    if found.reason not in LIFTABLE:
        raise Conflict(
            f"the owner of {address} decided so ({found.reason});",
            remedy="they come back by subscribing and confirming anew.",
        )
    session.delete(found)
    session.flush()
    return found.reason


def stop_deliveries(session: Session, subscriber_id: int, reply: str) -> None:
    """What is pending or deferred for a person becomes suppressed; an issue that waited for nothing else is done."""
    # The state as an expression: else PostgreSQL joins in the claim's index, and reads a million entries of it during a freeze.
    state = Delivery.state + ""
    stopped = session.scalars(
        update(Delivery)
        .where(Delivery.subscriber_id == subscriber_id, state.in_(("pending", "deferred")))
        .values(state="suppressed", reply=reply)
        .returning(Delivery.issue_id),
        execution_options={"synchronize_session": False},
    ).all()
    for issue_id in {i for i in stopped if i is not None}:
        settle(session, issue_id)


def _this(session: Session, publication_id: int, address_key: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return (
        Suppression.publication_id == publication_id,
        Suppression.address_hash == address_hash(pepper(session), address_key),
    )

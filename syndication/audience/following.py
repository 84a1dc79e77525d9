"""Begin and change what a person follows: cursors, shields and starts. Every way in (confirm, preferences, list) ends here.

Guarantees: nobody gets what was published before they came; a subscription inherits the cursor that already covers it;
a subscription to a series takes it out of the same person's `all` until they ask for `all` anew; no cursor moves back.
The caller holds the person's rows (`held`), so a freeze that runs meanwhile comes wholly before or wholly after.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from syndication.audience.wishes import EVERYTHING, Evidence
from syndication.ledger.states import SUBSCRIPTION, move
from syndication.ledger.tables import Consent, Publication, SeriesStart, Subscriber, Subscription

PART_OF_ALL = "part of all"
Held = dict[int, Subscription]


def held(session: Session, subscriber_id: int) -> Held:
    """A person's subscriptions by scope, read anew and locked until the commit; first the person, then the rows.

    The person's key stays free: a freeze that has this person's cursors refers to it before it commits, and we wait for it.
    """
    session.execute(
        select(Subscriber)
        .where(Subscriber.id == subscriber_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    rows = session.scalars(
        select(Subscription)
        .where(Subscription.subscriber_id == subscriber_id)
        .order_by(Subscription.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {row.scope: row for row in rows}


def is_active(rows: Held) -> bool:
    return any(row.state == "active" for row in rows.values())


def present(session: Session, publication_id: int) -> int:
    """The publication's newest committed number."""
    return session.execute(select(Publication.seq).where(Publication.id == publication_id)).scalar_one()


def begin(session: Session, person: Subscriber, rows: Held, scope: int, cadence: str, now: datetime) -> bool:
    """Makes a subscription active, or gives an active one the cadence; whether anything changed. `rows` is kept up.

    `all` begun here is `all` asked anew: what shielded a series from it ends or no longer does.
    """
    row = rows.get(scope)
    if row is not None and row.state == "active":
        changed = row.cadence != cadence
        row.cadence = cadence
        return _ask_anew(session, person, rows, now) or changed if scope == EVERYTHING else changed
    cursor = present(session, person.publication_id)
    if scope != EVERYTHING:
        cursor = _covering(session, rows, scope, cursor)
    row = _activate(session, person, rows, scope, cadence, cursor, now)
    if scope == EVERYTHING:
        session.execute(delete(SeriesStart).where(SeriesStart.subscription_id == row.id))
        _ask_anew(session, person, rows, now)
    return True


def add_all_shielded(session: Session, person: Subscriber, rows: Held, cadence: str, now: datetime) -> None:
    """`all` that somebody else put down for the person (a list): the shields stay, since they did not ask anew."""
    row = _activate(session, person, rows, EVERYTHING, cadence, present(session, person.publication_id), now)
    session.execute(delete(SeriesStart).where(SeriesStart.subscription_id == row.id))


def add_ended(
    session: Session, person: Subscriber, rows: Held, scope: int, cadence: str, cursor: int, reason: str, now: datetime
) -> None:
    """A subscription that is over as it begins: one series out of `all`, or what a list says that somebody left."""
    rows[scope] = Subscription(
        subscriber_id=person.id, timezone=person.timezone, series_id=scope or None, scope=scope, cadence=cadence,
        state="ended", cursor=cursor, shields=scope != EVERYTHING, asked_at=now, active_at=now, ended_at=now,
        ended_reason=reason,
    )  # fmt: skip
    session.add(rows[scope])


def end(row: Subscription, reason: str, now: datetime) -> None:
    """Ends a subscription. One that was active goes on shielding its series."""
    row.state = move("subscription", SUBSCRIPTION, str(row.id), row.state, "ended")
    row.ended_at = now
    row.ended_reason = reason


def note(
    session: Session, person: Subscriber, act: str, detail: dict[str, Any], evidence: Evidence, now: datetime
) -> None:
    """Evidence of an act."""
    session.add(
        Consent(
            subscriber_id=person.id,
            act=act,
            detail={**detail, "via": evidence.via},
            ip=evidence.ip[:45],
            user_agent=evidence.user_agent[:400],
            at=now,
        )
    )


def _activate(
    session: Session, person: Subscriber, rows: Held, scope: int, cadence: str, cursor: int, now: datetime
) -> Subscription:
    row = rows.get(scope)
    if row is None:
        row = Subscription(
            subscriber_id=person.id, timezone=person.timezone, series_id=scope or None, scope=scope, state="asked",
            cursor=0, asked_at=now,
        )  # fmt: skip
        session.add(row)
        rows[scope] = row
    row.state = move("subscription", SUBSCRIPTION, str(row.id), row.state, "active")
    row.cadence = cadence
    row.cursor = max(row.cursor, cursor)
    row.shields = scope != EVERYTHING
    row.active_at, row.ended_at, row.ended_reason = now, None, ""
    session.flush()
    return row


def _covering(session: Session, rows: Held, scope: int, otherwise: int) -> int:
    """Where the person's `all` stands with this series, if it covers it; its start there is handed over."""
    everything, row = rows.get(EVERYTHING), rows.get(scope)
    if everything is None or everything.state != "active" or (row is not None and row.shields):
        return otherwise
    start = session.get(SeriesStart, (everything.id, scope))
    if start is None:
        return everything.cursor
    session.delete(start)
    return start.cursor


def _ask_anew(session: Session, person: Subscriber, rows: Held, now: datetime) -> bool:
    everything = rows[EVERYTHING]
    changed = False
    for row in rows.values():
        if row.series_id is None or not row.shields:
            continue
        changed = True
        cursor = row.cursor if row.state == "active" else present(session, person.publication_id)
        if row.state == "active":
            end(row, PART_OF_ALL, now)
        row.shields = False
        start = session.get(SeriesStart, (everything.id, row.series_id))
        if cursor == everything.cursor:
            if start is not None:
                session.delete(start)
        elif start is not None:
            start.cursor = cursor
        else:
            session.add(SeriesStart(subscription_id=everything.id, series_id=row.series_id, cursor=cursor))
    session.flush()
    return changed

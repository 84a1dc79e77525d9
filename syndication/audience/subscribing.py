"""Ask, confirm, change: how a person comes to follow something (double opt-in).

Guarantees: asking has the same outcome to the asker whether the address is known or not; asking never changes an active
person; at most one confirmation mail a day goes to an address; what was asked for counts only once it is confirmed from
the mailbox; a confirmation works once and not after its person has left; each act leaves a `Consent` row as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience.following import Held, begin, end, held, is_active, note
from syndication.audience.handles import new_handle
from syndication.audience.leaving import barred, lift, suppression
from syndication.audience.wishes import EVERYTHING, Evidence, Form, Wanted, language_named, understand, zone_named
from syndication.errors import BadInput, Conflict, NotFound
from syndication.ledger.db import ring_after_commit
from syndication.ledger.states import SUBSCRIPTION, move
from syndication.ledger.tables import Consent, Delivery, Letter, Publication, Series, Subscriber, Subscription

BETWEEN_CONFIRMATIONS = timedelta(days=1)
LETTER = "confirm"


@dataclass(frozen=True, slots=True)
class Wish:
    """One subscription that is to begin. `title` is the series' title, "" for all."""

    scope: int
    cadence: str
    title: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation link, read: the person and what pressing the button begins. `done`: it was pressed before."""

    subscriber: Subscriber
    wishes: tuple[Wish, ...]
    done: bool


def ask(session: Session, publication: Publication, form: Form, evidence: Evidence) -> Wanted:
    """Somebody asks for mail to an address. Posts a confirmation, or quietly does not. Raises BadInput (where: field)."""
    wanted = understand(session, publication, form)
    now = clock.now()
    if barred(session, publication.id, wanted.address.key):
        return wanted
    person = make_person(session, publication, wanted, now)
    rows = held(session, person.id)
    if not is_active(rows):
        _write_down(session, person, rows, wanted, now)
    if _confirmation_since(session, person.id, now - BETWEEN_CONFIRMATIONS):
        return wanted
    titles = _titles(session, wanted.scopes)
    context = {
        "confirm": person.id,
        "wishes": [[scope, wanted.cadence, now.isoformat()] for scope in wanted.scopes],
        "series": [titles[scope] for scope in wanted.scopes if scope != EVERYTHING],
        "cadence": wanted.cadence,
    }
    _post(session, person, wanted.language, context, now)
    detail = {"scopes": list(wanted.scopes), "cadence": wanted.cadence, "timezone": wanted.timezone}
    note(session, person, "asked", detail | {"language": wanted.language}, evidence, now)
    return wanted


def opened(session: Session, payload: Mapping[str, Any]) -> Confirmation:
    """What a confirmation link stands for; changes nothing. Raises NotFound, or Conflict where its person left since."""
    person = session.get(Subscriber, int(payload["s"]))
    if person is None:
        raise NotFound("whoever asked for this is no longer on record;", remedy="subscribe again, if you like.")
    rows = {
        row.scope: row for row in session.scalars(select(Subscription).where(Subscription.subscriber_id == person.id))
    }
    return _read(session, person, rows, payload)


def confirm(session: Session, payload: Mapping[str, Any], evidence: Evidence) -> Confirmation:
    """Begins what was asked for. `payload` is {"s": subscriber id, "w": [[scope, cadence, asked at], …]} of a token of
    purpose "confirm". A second time it changes nothing. Raises as `opened`."""
    person = session.get(Subscriber, int(payload["s"]))
    if person is None:
        return opened(session, payload)
    rows = held(session, person.id)
    found = _read(session, person, rows, payload)
    if found.done:
        return found
    now = clock.now()
    lift(session, person.publication_id, person.address_key)
    for wish in sorted(found.wishes, key=lambda w: w.scope):  # all first: a series named beside it then shields
        begin(session, person, rows, wish.scope, wish.cadence, now)
    detail = {"wishes": [[wish.scope, wish.cadence] for wish in found.wishes]}
    note(session, person, "confirmed", detail, evidence, now)
    session.flush()
    return found


def decline(session: Session, payload: Mapping[str, Any], evidence: Evidence) -> None:
    """The mailbox's owner did not ask: what waits for a confirmation ends. An active person stays as they are."""
    person = opened(session, payload).subscriber
    now = clock.now()
    waiting = [row for row in held(session, person.id).values() if row.state == "asked"]
    for row in waiting:
        end(row, "declined", now)
    if waiting:
        note(session, person, "ended", {"scopes": [row.scope for row in waiting], "reason": "declined"}, evidence, now)


def change(
    session: Session,
    person: Subscriber,
    evidence: Evidence,
    *,
    cadences: Mapping[int, str] | None = None,
    timezone: str | None = None,
    language: str | None = None,
) -> bool:
    """An active person's own changes: scope → cadence (a new scope begins), zone, language; whether anything changed.

    Cursors stay, so a change loses and doubles nothing. Raises Conflict for somebody who follows nothing.
    """
    rows = held(session, person.id)
    if not is_active(rows):
        raise Conflict("you get no mail from here;", remedy="subscribe again to come back.")
    now = clock.now()
    detail: dict[str, Any] = {}
    if timezone and zone_named(timezone) != person.timezone:
        detail["timezone"] = [person.timezone, timezone]
        person.timezone = timezone
    if language and language_named(language) != person.language:
        detail["language"] = [person.language, language]
        person.language = language
    for scope, cadence in sorted((cadences or {}).items()):
        row = rows.get(scope)
        if row is not None and row.state == "active":
            if row.cadence != cadence:
                detail.setdefault("cadences", []).append([scope, row.cadence, cadence])
                row.cadence = cadence
        elif begin(session, person, rows, scope, cadence, now):
            detail.setdefault("cadences", []).append([scope, "", cadence])
    if detail:
        note(session, person, "changed", detail, evidence, now)
        session.flush()
    return bool(detail)


def make_person(session: Session, publication: Publication, wanted: Wanted, now: datetime) -> Subscriber:
    """The person of an address, made where there is none; of two at once the second finds the first's."""
    mine = (Subscriber.publication_id == publication.id) & (Subscriber.address_key == wanted.address.key)
    found = session.scalars(select(Subscriber).where(mine)).first()
    if found is not None:
        return found
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    session.execute(
        dialect.insert(Subscriber)
        .values(
            publication_id=publication.id,
            address=wanted.address.written,
            address_key=wanted.address.key,
            domain=wanted.address.domain,
            name=wanted.name,
            language=wanted.language,
            timezone=wanted.timezone,
            handle=new_handle(),
            demo=False,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    return session.scalars(select(Subscriber).where(mine)).one()


def _write_down(session: Session, person: Subscriber, rows: Held, wanted: Wanted, now: datetime) -> None:
    """The newest request replaces earlier ones that nobody confirmed."""
    person.timezone, person.language = wanted.timezone, wanted.language
    for scope, row in list(rows.items()):
        if row.state == "asked" and scope not in wanted.scopes:
            if row.active_at is None:
                session.delete(row)
                del rows[scope]
            else:  # it was active once: it goes back to having ended, and shields as before
                row.state = move("subscription", SUBSCRIPTION, str(row.id), row.state, "ended")
    for scope in wanted.scopes:
        found = rows.get(scope)
        if found is None:
            found = Subscription(subscriber_id=person.id, series_id=scope or None, scope=scope, cursor=0)
            session.add(found)
            rows[scope] = found
        elif found.state != "asked":
            found.state = move("subscription", SUBSCRIPTION, str(found.id), found.state, "asked")
        found.state, found.cadence, found.asked_at = "asked", wanted.cadence, now
    session.flush()


def _post(session: Session, person: Subscriber, language: str, context: dict[str, Any], now: datetime) -> None:
    delivery = Delivery(
        publication_id=person.publication_id, subscriber_id=person.id, kind="transactional", priority=0,
        state="pending", due_at=now, created_at=now,
    )  # fmt: skip
    session.add(delivery)
    session.flush()
    session.add(
        Letter(delivery_id=delivery.id, template=LETTER, address=person.address, language=language, context=context)
    )
    ring_after_commit(session, "mail.send_transactional")


def _confirmation_since(session: Session, subscriber_id: int, since: datetime) -> bool:
    query = (
        select(Delivery.id)
        .join(Letter, Letter.delivery_id == Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id, Letter.template == LETTER, Delivery.created_at > since)
        .limit(1)
    )
    return session.execute(query).first() is not None


def _read(session: Session, person: Subscriber, rows: Held, payload: Mapping[str, Any]) -> Confirmation:
    if barred(session, person.publication_id, person.address_key):
        raise Conflict("no mail goes to this address any more;", remedy="write to the publisher.")
    named = _named(payload)
    waiting = {row.scope: row.cadence for row in rows.values() if row.state == "asked"}
    asked_at = min((at for _, _, at in named), default=None)
    left = suppression(session, person.publication_id, person.address_key)
    if waiting and not is_active(rows):
        chosen = waiting  # the newest request; the link may be of an earlier one that day
    else:
        if left is not None and asked_at is not None and left.at >= asked_at:
            raise Conflict("you left after this was asked for;", remedy="subscribe again, if you like.")
        chosen = {scope: cadence for scope, cadence, _ in named}
    titles = _titles(session, chosen)
    wishes = tuple(Wish(scope, cadence, titles.get(scope, "")) for scope, cadence in chosen.items())
    done = chosen is not waiting and (asked_at is None or _acted_since(session, person.id, asked_at))
    return Confirmation(person, tuple(w for w in wishes if w.scope == EVERYTHING or w.title), done)


def _named(payload: Mapping[str, Any]) -> list[tuple[int, str, datetime]]:
    try:
        return [(int(scope), str(cadence), datetime.fromisoformat(at)) for scope, cadence, at in payload.get("w") or ()]
    except (TypeError, ValueError) as error:
        raise BadInput("this link is of another version;", remedy="subscribe again.") from error


def _acted_since(session: Session, subscriber_id: int, since: datetime) -> bool:
    """Whether the person confirmed or changed anything after that; then a link of that time has done its work."""
    query = select(Consent.id).where(
        Consent.subscriber_id == subscriber_id,
        Consent.act.in_(("confirmed", "changed", "ended")),
        Consent.at >= since,
    )
    return session.execute(query.limit(1)).first() is not None


def _titles(session: Session, scopes: Sequence[int] | Mapping[int, str]) -> dict[int, str]:
    query = select(Series.id, Series.title).where(Series.id.in_(list(scopes)))
    return {row.id: row.title for row in session.execute(query)}

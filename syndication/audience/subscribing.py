"""Ask, confirm, change: how a person comes to follow something (double opt-in).

Guarantees: asking has the same outcome to the asker whether the address is known or not; asking never changes an active
person; at most one confirmation mail a day goes to an address, and none for a week after its owner said that they had not
asked; what was asked for counts only once it is confirmed from the mailbox; a confirmation works once and not after its
person has left; each act leaves a `Consent` row as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience.following import Held, begin, end, held, is_active, note
from syndication.audience.leaving import barred, lift, suppression
from syndication.audience.people import make_person
from syndication.audience.wishes import EVERYTHING, Evidence, Form, Wanted, language_named, understand, zone_named
from syndication.errors import Conflict, NotFound
from syndication.ledger import letters
from syndication.ledger.states import SUBSCRIPTION, move
from syndication.ledger.tables import Consent, Delivery, Letter, Publication, Series, Subscriber, Subscription


class Left(Conflict):
    """Their person left after they asked for what the link confirms."""


class Barred(Conflict):
    """The address bounced, its owner complained, or the publisher said that no mail goes there."""


BETWEEN_CONFIRMATIONS = timedelta(days=1)
REST_AFTER_DECLINING = timedelta(days=7)
LETTER = "confirm"


@dataclass(frozen=True, slots=True)
class Wish:
    """One subscription that is to begin. `title` is the series' title, "" for all."""

    scope: int
    cadence: str
    title: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A confirmation link, read: the person and what pressing the button begins. `done`: it was pressed before;
    `declined`: the mailbox's owner said that they had not asked, and may still think better of it."""

    subscriber: Subscriber
    wishes: tuple[Wish, ...]
    done: bool
    declined: bool


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
    if _did(session, person.id, "declined", now - REST_AFTER_DECLINING):
        return wanted
    titles = _titles(session, wanted.scopes)
    context = {
        "confirm": [[scope, wanted.cadence] for scope in wanted.scopes],
        "asked_at": now.isoformat(),
        "series": [titles[scope] for scope in wanted.scopes if scope != EVERYTHING],
        "cadence": wanted.cadence,
    }
    letters.post(
        session,
        publication_id=publication.id,
        subscriber_id=person.id,
        address=person.address,
        language=wanted.language,
        template=LETTER,
        context=context,
    )
    detail = {"scopes": list(wanted.scopes), "cadence": wanted.cadence, "timezone": wanted.timezone}
    note(session, person, "asked", detail | {"language": wanted.language}, evidence, now)
    return wanted


def opened(session: Session, letter_id: int) -> Confirmation:
    """What a confirmation link stands for; changes nothing. `letter_id` is what a token of purpose "confirm" says: the
    delivery of the letter that had the link. Raises NotFound, Left or Barred."""
    person, asked = _asked_in(session, letter_id)
    rows = {
        row.scope: row for row in session.scalars(select(Subscription).where(Subscription.subscriber_id == person.id))
    }
    return _read(session, person, rows, asked)


def confirm(session: Session, letter_id: int, evidence: Evidence) -> Confirmation:
    """Begins what was asked for. A second time it changes nothing. Raises as `opened`."""
    person, asked = _asked_in(session, letter_id)
    rows = held(session, person.id)
    found = _read(session, person, rows, asked)
    if found.done:
        return found
    now = clock.now()
    lift(session, person)
    for wish in sorted(found.wishes, key=lambda w: w.scope):  # all first: a series named beside it then shields
        begin(session, person, rows, wish.scope, wish.cadence, now)
    detail = {"wishes": [[wish.scope, wish.cadence] for wish in found.wishes]}
    note(session, person, "confirmed", detail, evidence, now)
    session.flush()
    return found


def decline(session: Session, letter_id: int, evidence: Evidence) -> None:
    """The mailbox's owner did not ask: what waits for a confirmation ends, and for a week nothing is asked of them again.
    An active person stays as they are. The link still works, should they think better of it."""
    person = opened(session, letter_id).subscriber
    now = clock.now()
    waiting = [row for row in held(session, person.id).values() if row.state == "asked"]
    for row in waiting:
        end(row, "declined", now)
    note(session, person, "declined", {"scopes": [row.scope for row in waiting]}, evidence, now)


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


def _write_down(session: Session, person: Subscriber, rows: Held, wanted: Wanted, now: datetime) -> None:
    """The newest request replaces earlier ones that nobody confirmed."""
    person.address, person.timezone, person.language = wanted.address.written, wanted.timezone, wanted.language
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
            found = Subscription(
                subscriber_id=person.id, timezone=person.timezone, series_id=scope or None, scope=scope, cursor=0
            )
            session.add(found)
            rows[scope] = found
        elif found.state != "asked":
            found.state = move("subscription", SUBSCRIPTION, str(found.id), found.state, "asked")
        found.state, found.cadence, found.asked_at = "asked", wanted.cadence, now
    session.flush()


def _confirmation_since(session: Session, subscriber_id: int, since: datetime) -> bool:
    query = (
        select(Delivery.id)
        .join(Letter, Letter.delivery_id == Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id, Letter.template == LETTER, Delivery.created_at > since)
        .limit(1)
    )
    return session.execute(query).first() is not None


def _asked_in(session: Session, letter_id: int) -> tuple[Subscriber, Mapping[str, Any]]:
    """Who a letter went to, and what was asked for: `confirm` [[scope, cadence], …] and `asked_at`."""
    query = (
        select(Subscriber, Letter.context)
        .join(Delivery, Delivery.subscriber_id == Subscriber.id)
        .join(Letter, Letter.delivery_id == Delivery.id)
        .where(Delivery.id == letter_id, Letter.template == LETTER)
    )
    found = session.execute(query).first()
    if found is None:
        raise NotFound("whoever asked for this is no longer on record;", remedy="subscribe again, if you like.")
    return found[0], found[1]


def _read(session: Session, person: Subscriber, rows: Held, asked: Mapping[str, Any]) -> Confirmation:
    if barred(session, person.publication_id, person.address_key):
        raise Barred("no mail goes to this address any more;", remedy="write to the publisher.")
    asked_at = datetime.fromisoformat(asked["asked_at"])
    waiting = {row.scope: row.cadence for row in rows.values() if row.state == "asked"}
    newest = bool(waiting) and not is_active(rows)  # the link may be of an earlier request that day
    left = suppression(session, person.publication_id, person.address_key)
    if not newest and left is not None and left.at >= asked_at:
        raise Left("you left after this was asked for;", remedy="subscribe again, if you like.")
    chosen = waiting if newest else {int(scope): str(cadence) for scope, cadence in asked["confirm"]}
    titles = _titles(session, chosen)
    wishes = (Wish(scope, cadence, titles.get(scope, "")) for scope, cadence in chosen.items())
    return Confirmation(
        person,
        tuple(wish for wish in wishes if wish.scope == EVERYTHING or wish.title),
        done=not newest and _did(session, person.id, "confirmed", asked_at),
        declined=not newest and _did(session, person.id, "declined", asked_at),
    )


def _did(session: Session, subscriber_id: int, act: str, since: datetime) -> bool:
    query = select(Consent.id).where(Consent.subscriber_id == subscriber_id, Consent.act == act, Consent.at >= since)
    return session.execute(query.limit(1)).first() is not None


def _titles(session: Session, scopes: Sequence[int] | Mapping[int, str]) -> dict[int, str]:
    query = select(Series.id, Series.title).where(Series.id.in_(list(scopes)))
    return {row.id: row.title for row in session.execute(query)}

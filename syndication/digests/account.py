"""The final account of an issue: everybody in a CSV, and for the page the sums by domain, by the relay's words and by minute.

Reads each delivery of the issue once, rows and bundles alike, and keeps sums only: a million people are no million rows in
memory. What was bundled has no words of the relay any more, and what was forgotten is numbers alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from syndication.content import Record
from syndication.digests.report import HELD, Report, report
from syndication.ledger import past
from syndication.ledger.claims import LAST_ANSWER
from syndication.ledger.mailings import Delivery, Issue
from syndication.ledger.tables import Subscriber
from syndication.mail.meaning import ACCEPTED, meaning_of
from syndication.mail.resolving import TAKEN_AS_SENT

COLUMNS: Final = (
    "delivery", "address", "state", "tries", "made_at", "sent_at", "due_at", "meaning", "reply",
)  # fmt: skip
ERASED: Final = "(erased)"
_SHOWN = 20
_BARS = 120
_AT_A_TIME = 5_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Reason(Record):
    """So many deliveries ended or stand in `state` for one reason: that is what the relay's words mean, or our own words.
    `reply`: what was said most often; `otherwise`: to how many the same was said in other words."""

    state: str
    meaning: str
    reply: str
    count: int
    otherwise: int


class Account(Record):
    """`domains`: (domain, state → deliveries), the largest first; `minutes`: (instant, sent from then on), without gaps and
    in equal steps."""

    report: Report
    domains: tuple[tuple[str, dict[str, int]], ...]
    other_domains: int
    reasons: tuple[Reason, ...]
    minutes: tuple[tuple[datetime, int], ...]


def account(session: Session, issue: Issue) -> Account:
    """`session` is a reading one, so that all numbers are of one moment."""
    domains: dict[str, Counter[str]] = {}
    minutes: Counter[datetime] = Counter()
    rows = session.execute(
        select(Subscriber.domain, Delivery.state, func.count())
        .select_from(Delivery)
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue.id)
        .group_by(Subscriber.domain, Delivery.state)
    )
    for domain, state, count in rows:
        domains.setdefault(domain or ERASED, Counter())[state] += count
    sent = select(Delivery.sent_at).where(Delivery.issue_id == issue.id, Delivery.state == "sent")
    for (at,) in session.execute(sent, execution_options={"yield_per": 10 * _AT_A_TIME}):
        if at is not None:
            minutes[_minute(at)] += 1
    for some in _bundled(session, issue.id):
        known = _people(session, some)
        for one in some:
            domain = known.get(one.subscriber_id, ("", ERASED))[1]
            domains.setdefault(domain, Counter())["sent"] += 1
            minutes[_minute(one.sent_at)] += 1
    ordered = sorted(domains.items(), key=lambda item: (-item[1].total(), item[0]))
    return Account(
        report=report(session, issue),
        domains=tuple((domain, dict(states)) for domain, states in ordered[:_SHOWN]),
        other_domains=max(0, len(ordered) - _SHOWN),
        reasons=_reasons(session, issue.id),
        minutes=tuple(_even(minutes)),
    )


def everybody(session: Session, issue_id: int, states: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """A row of the CSV for each delivery (in one of `states`), in order of `delivery` but for bundles, which come last."""
    query = (
        select(Delivery, Subscriber.address)
        .outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.issue_id == issue_id)
        .order_by(Delivery.id)
    )
    if states:
        query = query.where(Delivery.state.in_(states))
    for delivery, address in session.execute(query, execution_options={"yield_per": _AT_A_TIME}):
        yield _line(delivery, address)
    if not states or "sent" in states:
        for some in _bundled(session, issue_id):
            known = _people(session, some)
            for one in some:
                delivery = past.Found(one, past.PastEdition(one.edition_id, "", 0, ()), issue_id).as_delivery()
                yield _line(delivery, known.get(one.subscriber_id, (None, ""))[0])


def _line(delivery: Delivery, address: str | None) -> dict[str, str]:
    waits = delivery.state in {"pending", "deferred"}
    return {
        "delivery": str(delivery.id),
        "address": _harmless(address or ERASED),
        "state": delivery.state,
        "tries": str(delivery.attempts),
        "made_at": _moment(delivery.created_at),
        "sent_at": _moment(delivery.sent_at),
        "due_at": _moment(delivery.due_at) if waits else "",
        "meaning": _meaning(delivery.state, delivery.reply),
        "reply": _harmless(delivery.reply),
    }


def _meaning(state: str, reply: str) -> str:
    """Of the relay's words; what we say ourselves of mail that was held, stopped or cancelled speaks for itself."""
    match state:
        case "sent":
            return TAKEN_AS_SENT if reply.startswith(TAKEN_AS_SENT) else ACCEPTED.name
        case "deferred" | "failed" | "unknown":
            return meaning_of(reply.rpartition(LAST_ANSWER)[2]).name
    return ""


def _harmless(words: str) -> str:
    """A spreadsheet takes what begins like a formula for one."""
    return f"'{words}" if words.startswith(_FORMULA) else words


def _moment(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""


def _bundled(session: Session, issue_id: int) -> Iterator[list[past.PastDelivery]]:
    found = past.of_issue(session, issue_id)
    while some := [one.delivery for one in islice(found, _AT_A_TIME)]:
        yield some


def _people(session: Session, some: Sequence[past.PastDelivery]) -> dict[int, tuple[str, str]]:
    """subscriber → (address, domain); who was erased is not in it."""
    ids = [one.subscriber_id for one in some]
    query = select(Subscriber.id, Subscriber.address, Subscriber.domain).where(Subscriber.id.in_(ids))
    return {id_: (address, domain) for id_, address, domain in session.execute(query)}


def _reasons(session: Session, issue_id: int) -> tuple[Reason, ...]:
    """The commonest. Relays put addresses and numbers of their own into their answers, so what one means counts."""
    count = func.count().label("count")
    rows = session.execute(
        select(Delivery.state, Delivery.reply, count)
        .where(Delivery.issue_id == issue_id, or_(HELD, Delivery.state.not_in(("sent", "pending", "sending"))))
        .group_by(Delivery.state, Delivery.reply)
        .order_by(count.desc(), Delivery.reply),
        execution_options={"yield_per": _AT_A_TIME},
    )
    found: dict[tuple[str, str], Reason] = {}
    for state, reply, n in rows:
        meaning = _meaning(state, reply)
        key = state, meaning or reply
        if first := found.get(key):
            found[key] = first.model_copy(update={"count": first.count + n, "otherwise": first.otherwise + n})
        else:
            found[key] = Reason(state=state, meaning=meaning, reply=reply, count=n, otherwise=0)
    return tuple(sorted(found.values(), key=lambda reason: (-reason.count, reason.state, reason.reply))[:_SHOWN])


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _even(minutes: Counter[datetime]) -> Iterator[tuple[datetime, int]]:
    """From the first minute to the last, in steps so wide that there are at most `_BARS`."""
    if not minutes:
        return
    first, last = min(minutes), max(minutes)
    step = timedelta(minutes=max(1, -(-(int((last - first).total_seconds()) // 60 + 1) // _BARS)))
    bars = Counter[int]()
    for minute, count in minutes.items():
        bars[(minute - first) // step] += count
    for place in range((last - first) // step + 1):
        yield first + place * step, bars[place]

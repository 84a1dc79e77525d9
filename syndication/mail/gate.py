"""The second look, just before the wire: who left, what was cancelled, paused, withdrawn or corrected since the freeze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.ledger.audience import Subscriber, Subscription
from syndication.ledger.claims import Claimed, Outcome
from syndication.ledger.content import Entry
from syndication.ledger.mailings import EditionEntry, Issue, Letter
from syndication.ledger.suppressions import suppressed_among


@dataclass
class Passed:
    """What may go, and what became of the rest. `stale` are deliveries whose edition says what is no longer true."""

    people: dict[int, Subscriber] = field(default_factory=dict)
    letters: dict[int, Letter] = field(default_factory=dict)
    go: list[Claimed] = field(default_factory=list)
    stopped: list[Outcome] = field(default_factory=list)
    stale: list[Claimed] = field(default_factory=list)


def look_again(session: Session, rows: Sequence[Claimed]) -> Passed:
    """Sorts claimed deliveries by what is true now; a handful of queries, however many rows."""
    passed = Passed()
    ids = {row.subscriber_id for row in rows if row.subscriber_id is not None}
    passed.people = {s.id: s for s in session.scalars(select(Subscriber).where(Subscriber.id.in_(ids)))}
    letters = [row.id for row in rows if row.edition_id is None]
    passed.letters = {x.delivery_id: x for x in session.scalars(select(Letter).where(Letter.delivery_id.in_(letters)))}
    issue_ids = {row.issue_id for row in rows if row.issue_id is not None}
    issues = {issue.id: issue for issue in session.scalars(select(Issue).where(Issue.id.in_(issue_ids)))}
    barred: set[tuple[int, str]] = set()
    for publication_id in {row.publication_id for row in rows}:
        keys = {s.address_key for s in passed.people.values() if s.publication_id == publication_id}
        barred |= {(publication_id, key) for key in suppressed_among(session, publication_id, keys)}
    series, stale = _editions(session, {row.edition_id for row in rows if row.edition_id is not None})
    follows = _follows(session, ids)
    for row in rows:
        issue = issues.get(row.issue_id or 0)
        person = passed.people.get(row.subscriber_id or 0)
        if row.edition_id is None:
            if row.id in passed.letters:
                passed.go.append(row)
            else:
                passed.stopped.append(Outcome(row.id, "cancelled", "there is nothing to say in it"))
        elif issue is None or issue.state == "cancelled":
            passed.stopped.append(Outcome(row.id, "cancelled", "the issue was cancelled"))
        elif person is None:
            passed.stopped.append(Outcome(row.id, "suppressed", "the person was erased"))
        elif (row.publication_id, person.address_key) in barred:
            passed.stopped.append(Outcome(row.id, "suppressed", "the address is suppressed"))
        elif not follows.get(person.id, set()) & (series[row.edition_id] | {0}):
            passed.stopped.append(Outcome(row.id, "suppressed", "they left before it was sent"))
        elif issue.paused:
            passed.stopped.append(Outcome(row.id, "pending", "the issue is paused"))
        elif row.edition_id in stale:
            passed.stale.append(row)
        else:
            passed.go.append(row)
    return passed


def _editions(session: Session, edition_ids: set[int]) -> tuple[dict[int, set[int]], set[int]]:
    """Series by edition, and the editions with an entry withdrawn or corrected since."""
    series: dict[int, set[int]] = {edition_id: set() for edition_id in edition_ids}
    stale: set[int] = set()
    query = (
        select(EditionEntry.edition_id, EditionEntry.revision_id, Entry.series_id, Entry.state, Entry.revision_id)
        .join(Entry, Entry.id == EditionEntry.entry_id)
        .where(EditionEntry.edition_id.in_(edition_ids))
    )
    for edition_id, pinned, series_id, state, current in session.execute(query):
        series[edition_id].add(series_id)
        if state != "published" or pinned != current:
            stale.add(edition_id)
    return series, stale


def _follows(session: Session, people: set[int]) -> dict[int, set[int]]:
    """Scopes (0: all) with an active subscription, by person."""
    found: dict[int, set[int]] = {}
    query = select(Subscription.subscriber_id, Subscription.scope).where(
        Subscription.subscriber_id.in_(people), Subscription.state == "active"
    )
    for person, scope in session.execute(query):
        found.setdefault(person, set()).add(scope)
    return found

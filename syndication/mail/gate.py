"""The second look, just before the wire: who left, what was cancelled, paused, withdrawn or corrected since the freeze."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from syndication.digests.editions import Pinned, editions_for
from syndication.ledger.audience import Subscriber, Subscription
from syndication.ledger.bulk import among
from syndication.ledger.claims import WITH_ISSUE, Claimed, Outcome
from syndication.ledger.content import Entry
from syndication.ledger.db import ledger_now
from syndication.ledger.mailings import Edition, EditionEntry, Issue, Letter
from syndication.ledger.suppressions import suppressed_among


class Person(NamedTuple):
    """What a mail needs to know of a subscriber."""

    id: int
    publication_id: int
    address: str
    address_key: str
    name: str
    handle: bytes


@dataclass
class Passed:
    """What may go, and what became of the rest. `stale` are deliveries whose edition says what is no longer true, or
    more than its person still follows: `keep` then has the series that stay, by delivery."""

    people: dict[int, Person] = field(default_factory=dict)
    letters: dict[int, Letter] = field(default_factory=dict)
    go: list[Claimed] = field(default_factory=list)
    stopped: list[Outcome] = field(default_factory=list)
    stale: list[Claimed] = field(default_factory=list)
    keep: dict[int, frozenset[int]] = field(default_factory=dict)


def look_again(session: Session, rows: Collection[Claimed]) -> Passed:
    """Sorts claimed deliveries by what is true now; a handful of queries, however many rows."""
    passed = Passed()
    ids = {row.subscriber_id for row in rows if row.subscriber_id is not None}
    columns = (getattr(Subscriber, name) for name in Person._fields)
    found = session.execute(select(*columns).where(among(session, Subscriber.id, ids)))
    passed.people = {row[0]: Person._make(row) for row in found}
    letters = [row.id for row in rows if row.edition_id is None]
    passed.letters = {x.delivery_id: x for x in session.scalars(select(Letter).where(Letter.delivery_id.in_(letters)))}
    issue_ids = {row.issue_id for row in rows if row.issue_id is not None}
    issues = {issue.id: issue for issue in session.scalars(select(Issue).where(Issue.id.in_(issue_ids)))}
    barred: set[tuple[int, str]] = set()
    for publication_id in {row.publication_id for row in rows}:
        keys = {s.address_key for s in passed.people.values() if s.publication_id == publication_id}
        barred |= {(publication_id, key) for key in suppressed_among(session, publication_id, keys)}
    series, stale = _editions(session, {row.edition_id for row in rows if row.edition_id is not None})
    following = _following(session, ids)
    for row in rows:
        issue = issues.get(row.issue_id or 0)
        person = passed.people.get(row.subscriber_id or 0)
        if row.edition_id is None:
            if row.id in passed.letters:
                passed.go.append(row)
            else:
                passed.stopped.append(Outcome(row.id, "cancelled", "there is nothing to say in it"))
        elif issue is None or issue.state == "cancelled":
            passed.stopped.append(Outcome(row.id, "cancelled", WITH_ISSUE))
        elif person is None:
            passed.stopped.append(Outcome(row.id, "suppressed", "the person was erased"))
        elif (row.publication_id, person.address_key) in barred:
            passed.stopped.append(Outcome(row.id, "suppressed", "the address is suppressed"))
        elif not (stay := _covered(following.get(person.id, {}), series[row.edition_id])):
            passed.stopped.append(Outcome(row.id, "suppressed", "they left before it was sent"))
        elif issue.paused:
            passed.stopped.append(Outcome(row.id, "pending"))
        elif row.edition_id in stale or stay != series[row.edition_id]:
            passed.stale.append(row)
            passed.keep[row.id] = frozenset(stay)
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


def _following(session: Session, people: set[int]) -> dict[int, dict[int, bool]]:
    """By person: scope (0: all) → whether that subscription is active; ended ones only where they shield from `all`."""
    found: dict[int, dict[int, bool]] = {}
    query = select(Subscription.subscriber_id, Subscription.scope, Subscription.state).where(
        among(session, Subscription.subscriber_id, people), or_(Subscription.state == "active", Subscription.shields)
    )
    for person, scope, state in session.execute(query):
        found.setdefault(person, {})[scope] = state == "active"
    return found


def _covered(following: dict[int, bool], series: set[int]) -> set[int]:
    everything = following.get(0, False)
    return {series_id for series_id in series if following.get(series_id, everything)}


def narrowed(session: Session, edition_id: int, keep: frozenset[int]) -> int | None:
    """The edition with the entries of the series `keep` alone; its own id where that is all, None where nothing is left.

    The caller holds the issue's row.
    """
    edition = session.get_one(Edition, edition_id)
    rows = session.execute(
        select(EditionEntry.revision_id, EditionEntry.entry_id, Entry.series_id)
        .join(Entry, Entry.id == EditionEntry.entry_id)
        .where(EditionEntry.edition_id == edition_id)
    ).all()
    stay = {revision: entry for revision, entry, series_id in rows if series_id in keep}
    entries = tuple((stay[revision], revision) for revision in edition.revisions if revision in stay)
    if not entries or len(entries) == len(rows):
        return edition_id if entries else None
    wanted = Pinned(edition.language, edition.notice_id, entries)
    return editions_for(session, edition.issue_id, [wanted], ledger_now(session))[wanted]

"""Carry out an act that changes what the public sees: decide and render on a snapshot, then store under the next numbers.

Rendering and the gate come first, with no lock held; then one transaction takes the publication's next numbers and stores
entries, revisions and the documents of `all` and of the series touched. Where somebody else published in between, the
numbers don't follow: nothing is kept and the rendering is made anew, the third time under the lock. Every other feed becomes
owed. A crash leaves all of it or nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
from sqlalchemy import delete, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from syndication import announcing, clock, quoting
from syndication.announcing import Announcement
from syndication.digests.repoint import repoint
from syndication.errors import DisclaimerBreach, TryLater
from syndication.feeds import archives, artifacts
from syndication.feeds.linting import refuse_errors
from syndication.feeds.scope import keep_marks, open_feeds, touched
from syndication.ledger import attempts
from syndication.ledger.content import Draft, Entry, Feed, MediaUse, Publication, Revision
from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.lookup import content_of, the_publication

AT_ONCE = ("all", "series")  # kinds of feeds that are rendered within the act; others are owed


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one entry: `act` is published, corrected, withdrawn or unchanged."""

    entry_id: int
    act: str
    series: str
    slug: str
    title: str
    revision: int


@dataclass
class Plan:
    """An act decided in memory: the same function over the same ledger at the same instant gives the same plan."""

    publication: Publication
    seq: int  # publication.seq before the act
    now: datetime
    changes: list[Change] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    spent: list[Draft] = field(default_factory=list)
    mailable: bool = False
    announcements: list[Announcement] = field(default_factory=list)

    def stamp(self, entry: Entry) -> int:
        """Gives the entry the next number and a date of change that no other entry has."""
        self.entries.append(entry)
        entry.seq = self.seq + len(self.entries)
        entry.updated_at = self.now + timedelta(microseconds=len(self.entries) - 1)
        return entry.seq

    def fingerprint(self) -> str:
        facts = [
            (
                (e.id, e.state, e.seq, e.mail_seq, e.updated_at, e.series_id, e.slug, e.part),
                e.revision.content if e.revision else None,
            )
            for e in self.entries
        ]
        return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


Decide = Callable[[Session, Plan], None]


def touch(session: Session, publication_id: int) -> int:
    """The next number, for a change that shows everywhere (notice, names, settings): every feed is owed. Gives it."""
    seq = take_numbers(session, publication_id, 1)
    session.execute(
        update(Feed).where(Feed.publication_id == publication_id).values(wanted_seq=seq, epoch=Feed.epoch + 1)
    )
    ring_after_commit(session, "publish.render_owed")
    return seq


def carry_out(db: Database, base_url: str, decide: Decide) -> list[Change]:
    """Decides and renders on a snapshot, then stores under the next numbers; see the module's head."""
    for _ in range(2):
        with db.reading() as session, session.no_autoflush:
            plan = _fresh_plan(session, clock.now())
            decide(session, plan)
            if not plan.entries:
                return plan.changes
            rendered = _render(session, plan, base_url)
            mark = plan.fingerprint()
            now, seq = plan.now, plan.seq
        try:
            with db.transaction() as session, session.no_autoflush:
                if take_numbers(session, plan.publication.id, len(plan.entries)) != seq + len(plan.entries):
                    raise _Overtaken("another publication came first")
                again = _fresh_plan(session, now, seq)
                decide(session, again)
                if again.fingerprint() != mark:
                    raise _Overtaken("a document was imported meanwhile")
                _store(session, again, rendered, base_url)
        except _Overtaken:
            continue
        return again.changes
    with db.transaction() as session, session.no_autoflush:
        seq = take_numbers(session, the_publication(session).id, 0)
        session.expire_all()  # loaded before the lock
        plan = _fresh_plan(session, clock.now(), seq)
        decide(session, plan)
        if plan.entries:
            take_numbers(session, plan.publication.id, len(plan.entries))
            _store(session, plan, _render(session, plan, base_url), base_url)
    return plan.changes


def carry_out_sound(
    db: Database,
    base_url: str,
    act: Callable[[Sequence[int]], Decide],
    ids: Sequence[int],
    failed: Callable[[int, Exception], None],
) -> list[Change]:
    """An act on several entries at once; where it cannot be done with all, without those that fail by themselves, which are
    told to `failed`. Errors of the database say nothing about an entry and are raised."""
    try:
        return carry_out(db, base_url, act(ids))
    except SQLAlchemyError:
        raise
    except Exception as error:
        if len(ids) == 1:
            failed(ids[0], error)
            return []
    sound = []
    for one in ids:
        try:
            rehearse(db, base_url, act([one]))
            sound.append(one)
        except SQLAlchemyError:
            raise
        except Exception as error:
            failed(one, error)
    parts = [sound] if len(sound) < len(ids) else [[one] for one in sound]  # they fail only together
    return [change for part in parts if part for change in carry_out_sound(db, base_url, act, part, failed)]


@contextmanager
def rehearsed(db: Database, base_url: str, decide: Decide) -> Iterator[Session]:
    """Decides and renders on a snapshot and keeps nothing; raises what `carry_out` would. The block sees what it decided."""
    with db.reading() as session, session.no_autoflush:
        plan = _fresh_plan(session, clock.now())
        decide(session, plan)
        if plan.entries:
            _render(session, plan, base_url)
        yield session


def rehearse(db: Database, base_url: str, decide: Decide) -> None:
    """The same for what it raises."""
    with rehearsed(db, base_url, decide):
        pass


class _Overtaken(TryLater):
    """The ledger moved between rendering and storing."""


def _fresh_plan(session: Session, now: datetime, seq: int | None = None) -> Plan:
    publication = the_publication(session)
    if publication.last_updated is not None:
        now = max(now, publication.last_updated + timedelta(microseconds=1))
    return Plan(publication=publication, seq=publication.seq if seq is None else seq, now=now)


def take_numbers(session: Session, publication_id: int, count: int) -> int:
    """`seq = seq + count … RETURNING`: locks the row, so numbers commit in order. On PostgreSQL this is FOR NO KEY UPDATE."""
    taken: int = session.execute(
        update(Publication)
        .where(Publication.id == publication_id)
        .values(seq=Publication.seq + count)
        .returning(Publication.seq)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    return taken


def _render(session: Session, plan: Plan, base_url: str) -> dict[int, artifacts.Rendering]:
    refuse_errors(session, plan.publication, plan.entries, base_url, plan.now)
    try:
        return {
            feed.id: artifacts.render(session, plan.publication, feed, base_url, plan.entries)
            for feed in _once(touched(session, plan.publication, plan.entries))
            if feed.kind in AT_ONCE
        }
    except DisclaimerBreach as breach:
        raise quoting.explained(session, plan.entries, breach) from breach


def _once(found: Mapping[int, list[Feed]]) -> list[Feed]:
    return list({feed.id: feed for feeds in found.values() for feed in feeds}.values())


def _store(session: Session, plan: Plan, rendered: dict[int, artifacts.Rendering], base_url: str) -> None:
    plan.publication.base_url = plan.publication.base_url or base_url
    session.add_all(plan.revisions)
    session.flush()
    for revision in plan.revisions:
        for sha256 in content_of(revision).media:
            session.add(MediaUse(sha256=sha256, revision_id=revision.id))
    for draft in plan.spent:  # unless a newer text was imported since: that one waits
        same = (Draft.entry_id == draft.entry_id, Draft.source_hash == draft.source_hash)
        session.execute(delete(Draft).where(*same).execution_options(synchronize_session=False))
        session.expunge(draft)
    seq = plan.seq + len(plan.entries)
    plan.publication.last_updated = plan.entries[-1].updated_at
    session.flush()
    attempts.finished(session, [attempts.named("publish", entry.id) for entry in plan.entries])
    for entry in plan.entries:  # mail that waits says what is true now
        repoint(session, entry, entry.revision if entry.state == "published" else None)
    found = touched(session, plan.publication, plan.entries)
    archives.changed(session, found, plan.entries)
    open_feeds(session, plan.publication, keep_marks(session, plan.publication, plan.entries))
    for feed in _once(found):
        feed.wanted_seq = seq
        if feed.id in rendered:
            artifacts.store(session, feed, rendered[feed.id], seq)
    for told in plan.announcements:
        announcing.owe(session, plan.publication, told)
    session.flush()
    if plan.mailable:
        ring_after_commit(session, "digests.cut_due")
    ring_after_commit(session, "publish.render_owed")

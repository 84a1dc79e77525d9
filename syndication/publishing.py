"""Publish, schedule, correct, withdraw: the acts that change what the public sees, each one transaction.

Rendering and the gate come first, on a snapshot with no lock held; then one transaction takes the publication's next
numbers and stores entries, revisions and the documents of `all` and of the series touched. Where somebody else published in
between, the numbers don't follow: nothing is kept and the rendering is made anew, the third time under the lock. Every other
feed becomes owed. A crash leaves all of it or nothing.

Guarantees: an id is minted once; `mail_seq` is set at the first publication and moved only by a new publication after a
withdrawal; what the gate refuses is not published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import BadInput, Conflict, SyndicationError, TryLater
from syndication.feeds import artifacts
from syndication.feeds.disclaimers import render_notice
from syndication.ledger.content import Draft, Entry, Feed, MediaUse, Notice, Publication, Revision
from syndication.ledger.db import Database, ledger_now, ring_after_commit
from syndication.ledger.lookup import content_of, the_publication
from syndication.ledger.states import ENTRY, move

log = structlog.get_logger(__name__)

BATCH = 50  # entries published in one transaction
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one entry: `act` is published, corrected, withdrawn or unchanged."""

    entry_id: int
    act: str
    series: str
    slug: str
    title: str
    revision: int


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """Which version of the notice is current, and whether this call made it."""

    language: str
    version: int
    fresh: bool


@dataclass
class _Plan:
    """An act decided in memory: the same function over the same ledger at the same instant gives the same plan."""

    publication: Publication
    seq: int  # publication.seq before the act
    now: datetime
    changes: list[Change] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    revisions: list[Revision] = field(default_factory=list)
    spent: list[Draft] = field(default_factory=list)
    mailable: bool = False

    def stamp(self, entry: Entry) -> int:
        """Gives the entry the next number and a date of change that no other entry has."""
        self.entries.append(entry)
        entry.seq = self.seq + len(self.entries)
        entry.updated_at = self.now + timedelta(microseconds=len(self.entries) - 1)
        return entry.seq

    def fingerprint(self) -> str:
        facts = [
            (e.id, e.state, e.seq, e.mail_seq, e.updated_at, e.revision.content if e.revision else None)
            for e in self.entries
        ]
        return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


Decide = Callable[[Session, _Plan], None]


def mint_tag(publication: Publication, name: str) -> str:
    """A `tag:` URI (RFC 4151) for something that never got one; `name` is unique in the publication."""
    return f"tag:{publication.tag_authority},{publication.tag_date}:{name}"


def publish(
    db: Database, base_url: str, entry_ids: Sequence[int], *, mail: bool = True, progress: Progress | None = None
) -> list[Change]:
    """Publishes drafts, scheduled and withdrawn entries, and the waiting draft of a published one; others are unchanged.

    `mail=False` is a backfill: feeds show it by its date, nobody gets it by mail. Batches of 50, each one transaction.
    Raises DisclaimerBreach, and then nothing of that batch is published.
    """
    done: list[Change] = []
    for start in range(0, len(entry_ids), BATCH):
        batch = entry_ids[start : start + BATCH]

        def decide(session: Session, plan: _Plan, batch: Sequence[int] = batch) -> None:
            for entry in session.scalars(select(Entry).where(Entry.id.in_(batch)).order_by(Entry.id)).unique():
                _publish_one(session, plan, entry, mail)

        done += _act(db, base_url, decide)
        if progress:
            progress(len(done), len(entry_ids))
    return done


def publish_due(db: Database, base_url: str) -> list[Change]:
    """Publishes the scheduled entries whose time has come. One that fails is logged and does not hold up the others."""
    with db.reading() as session:
        due = session.scalars(
            select(Entry.id)
            .where(Entry.state == "scheduled", Entry.scheduled_at <= ledger_now(session))
            .order_by(Entry.scheduled_at, Entry.id)
            .limit(BATCH)
        ).all()
    done: list[Change] = []
    for entry_id in due:

        def decide(session: Session, plan: _Plan, entry_id: int = entry_id) -> None:
            entry = session.get_one(Entry, entry_id)
            if entry.state == "scheduled" and entry.scheduled_at and entry.scheduled_at <= plan.now:
                _publish_one(session, plan, entry, entry.mail_wanted)

        try:
            done += _act(db, base_url, decide)
        except SyndicationError as error:
            log.error("a scheduled entry cannot be published", entry=entry_id, reason=str(error))
    return done


def correct(db: Database, base_url: str, entry_id: int, summary: str = "") -> list[Change]:
    """Publishes the waiting draft of a published entry as its next revision; `summary` says what was corrected.

    Mail that is still pending or deferred gets the new text. Raises Conflict where nothing waits or nothing is published.
    """

    def decide(session: Session, plan: _Plan) -> None:
        entry = session.get_one(Entry, entry_id)
        draft = session.get(Draft, entry_id)
        if entry.state != "published":
            raise Conflict(f"entry {entry.slug} is {entry.state}, not published;", remedy="use `syndicate publish`.")
        if draft is None:
            raise Conflict(
                f"no corrected text of entry {entry.slug} waits;",
                remedy="import the changed document first, then correct.",
            )
        _revise(session, plan, entry, draft, summary)

    return _act(db, base_url, decide)


def withdraw(db: Database, base_url: str, entry_id: int, reason: str = "") -> list[Change]:
    """Takes an entry out of feeds, pages, media and pending mail. It keeps its id and its revisions."""

    def decide(session: Session, plan: _Plan) -> None:
        entry = session.get_one(Entry, entry_id)
        entry.state = move("entry", ENTRY, entry.slug, entry.state, "withdrawn")
        entry.withdrawn_at = plan.now
        entry.withdrawn_reason = reason
        plan.stamp(entry)
        plan.changes.append(_change(entry, "withdrawn"))

    return _act(db, base_url, decide)


def schedule(session: Session, entry: Entry, at: datetime, *, mail: bool = True) -> None:
    """A draft is to be published at `at` (aware, in the future); a scheduled one gets the new time."""
    if at <= ledger_now(session):
        raise BadInput(
            f"{at.isoformat()} has passed;", where=f"entry {entry.slug}", remedy="publish it, or name a later time."
        )
    if entry.state != "scheduled":
        entry.state = move("entry", ENTRY, entry.slug, entry.state, "scheduled")
    entry.scheduled_at = at
    entry.mail_wanted = mail


def unschedule(session: Session, entry: Entry) -> None:
    """A scheduled entry is a draft again."""
    entry.state = move("entry", ENTRY, entry.slug, entry.state, "draft")
    entry.scheduled_at = None


def set_notice(db: Database, base_url: str, publication_id: int, language: str, template: str) -> PublishedVersion:
    """A new version of the disclaimer where its words differ from the newest; every feed is rendered anew, no entry looks
    new. Raises BadInput for a template that does not render."""
    with db.transaction() as session:
        version = add_notice(session, session.get_one(Publication, publication_id), language, template)
        if version.fresh:
            touch(session, publication_id)
    while version.fresh and artifacts.render_owed(db, base_url):
        pass
    return version


def add_notice(session: Session, publication: Publication, language: str, template: str) -> PublishedVersion:
    """Keeps a version of the notice, numbered from 1, unless its forms equal the newest. The caller says `touch`."""
    text, html = render_notice(
        template, name=publication.name, supporters_url=publication.supporters_url, language=language
    )
    newest = session.scalars(
        select(Notice)
        .where(Notice.publication_id == publication.id, Notice.language == language)
        .order_by(Notice.version.desc())
        .limit(1)
    ).first()
    if newest is not None and (newest.text, newest.html) == (text, html):
        return PublishedVersion(language, newest.version, fresh=False)
    number = newest.version + 1 if newest else 1
    session.add(
        Notice(
            publication_id=publication.id,
            language=language,
            version=number,
            template=template,
            text=text,
            html=html,
            created_at=clock.now(),
        )
    )
    session.flush()
    return PublishedVersion(language, number, fresh=True)


def touch(session: Session, publication_id: int) -> int:
    """The next number, for a change that shows everywhere (notice, names, settings): every feed is owed. Gives it."""
    seq = _take_numbers(session, publication_id, 1)
    session.execute(update(Feed).where(Feed.publication_id == publication_id).values(wanted_seq=seq))
    ring_after_commit(session, "publish.render_owed")
    return seq


def rerender_all(db: Database, base_url: str) -> int:
    """Where the base address is not the one the artifacts were made for, makes them all anew; how many feeds."""
    with db.transaction() as session:
        publication = the_publication(session)
        if publication.base_url != base_url:
            publication.base_url = base_url
            touch(session, publication.id)
    total = 0
    while done := artifacts.render_owed(db, base_url):
        total += done
    return total


def _publish_one(session: Session, plan: _Plan, entry: Entry, mail: bool) -> None:
    draft = session.get(Draft, entry.id)
    if entry.state == "published":
        if draft is None:
            plan.changes.append(_change(entry, "unchanged"))
        else:
            _revise(session, plan, entry, draft, "")
        return
    again = entry.state == "withdrawn"
    entry.state = move("entry", ENTRY, entry.slug, entry.state, "published")
    entry.scheduled_at = entry.withdrawn_at = None
    entry.withdrawn_reason = ""
    seq = plan.stamp(entry)
    if draft is not None:
        _new_revision(session, plan, entry, draft, "")
    if entry.published_at is None:
        stated = draft.published_at if draft else None
        entry.published_at = min(stated, plan.now) if stated else entry.updated_at
    if mail:
        entry.mail_seq = seq
        entry.mailed_anew = again
        plan.mailable = True
    plan.changes.append(_change(entry, "published"))


def _revise(session: Session, plan: _Plan, entry: Entry, draft: Draft, summary: str) -> None:
    plan.stamp(entry)
    _new_revision(session, plan, entry, draft, summary)
    plan.changes.append(_change(entry, "corrected"))


def _new_revision(session: Session, plan: _Plan, entry: Entry, draft: Draft, summary: str) -> None:
    content = content_of(draft)
    revision = Revision(
        entry_id=entry.id,
        number=entry.revision.number + 1 if entry.revision else 1,
        title=content.title,
        content=draft.content,
        source_hash=draft.source_hash,
        summary=summary,
        created_at=plan.now,
    )
    entry.revision = revision
    plan.revisions.append(revision)
    plan.spent.append(draft)


def _change(entry: Entry, act: str) -> Change:
    if entry.revision is None:
        raise Conflict(f"entry {entry.slug} has no text;", remedy="import its document again.")
    return Change(entry.id, act, entry.series.slug, entry.slug, entry.revision.title, entry.revision.number)


def _act(db: Database, base_url: str, decide: Decide) -> list[Change]:
    """Decides and renders on a snapshot, then stores under the next numbers; see the module's head."""
    for _ in range(2):
        with db.reading() as session, session.no_autoflush:
            plan = _plan(session, clock.now())
            decide(session, plan)
            if not plan.entries:
                return plan.changes
            rendered = _render(session, plan, base_url)
            mark = plan.fingerprint()
            now, seq = plan.now, plan.seq
        try:
            with db.transaction() as session, session.no_autoflush:
                if _take_numbers(session, plan.publication.id, len(plan.entries)) != seq + len(plan.entries):
                    raise _Overtaken("another publication came first")
                again = _plan(session, now, seq)
                decide(session, again)
                if again.fingerprint() != mark:
                    raise _Overtaken("a document was imported meanwhile")
                _store(session, again, rendered)
        except _Overtaken:
            continue
        return again.changes
    with db.transaction() as session, session.no_autoflush:
        seq = _take_numbers(session, the_publication(session).id, 0)
        session.expire_all()  # loaded before the lock
        plan = _plan(session, clock.now(), seq)
        decide(session, plan)
        if plan.entries:
            _take_numbers(session, plan.publication.id, len(plan.entries))
            _store(session, plan, _render(session, plan, base_url))
    return plan.changes


class _Overtaken(TryLater):
    """The ledger moved between rendering and storing."""


def _plan(session: Session, now: datetime, seq: int | None = None) -> _Plan:
    publication = the_publication(session)
    if publication.last_updated is not None:
        now = max(now, publication.last_updated + timedelta(microseconds=1))
    return _Plan(publication=publication, seq=publication.seq if seq is None else seq, now=now)


def _take_numbers(session: Session, publication_id: int, count: int) -> int:
    """`seq = seq + count … RETURNING`: locks the row, so numbers commit in order. On PostgreSQL this is FOR NO KEY UPDATE."""
    taken: int = session.execute(
        update(Publication)
        .where(Publication.id == publication_id)
        .values(seq=Publication.seq + count)
        .returning(Publication.seq)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    return taken


def _feeds(session: Session, plan: _Plan) -> list[Feed]:
    touched = {e.series_id for e in plan.entries}
    feeds = session.scalars(select(Feed).where(Feed.publication_id == plan.publication.id, Feed.gone.is_(False)))
    return [f for f in feeds if not f.series_ids or touched & set(f.series_ids)]


def _render(session: Session, plan: _Plan, base_url: str) -> dict[int, list[artifacts.Rendered]]:
    return {
        feed.id: artifacts.render(session, plan.publication, feed, base_url, plan.entries)
        for feed in _feeds(session, plan)
        if feed.kind != "scope"
    }


def _store(session: Session, plan: _Plan, rendered: dict[int, list[artifacts.Rendered]]) -> None:
    session.add_all(plan.revisions)
    session.flush()
    for revision in plan.revisions:
        for sha256 in {image.sha256 for image in content_of(revision).images}:
            session.add(MediaUse(sha256=sha256, revision_id=revision.id))
    for draft in plan.spent:
        session.delete(draft)
    seq = plan.seq + len(plan.entries)
    plan.publication.last_updated = plan.entries[-1].updated_at
    session.flush()
    for feed in _feeds(session, plan):
        feed.wanted_seq = seq
        if feed.id in rendered:
            artifacts.store(session, feed, rendered[feed.id], seq)
    session.flush()
    ring_after_commit(session, "publish.render_owed")
    if plan.mailable:
        ring_after_commit(session, "digests.cut_due")

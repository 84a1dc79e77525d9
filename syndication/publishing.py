"""Publish, schedule, correct, withdraw: the acts that change what the public sees, each one transaction (see `press`).

Guarantees: an id is minted once; `mail_seq` is set at the first publication and moved only by a new publication after a
withdrawal, or taken away by one without mail; what the gate refuses is not published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import announcing, clock
from syndication.announcing import Announcement, Kind
from syndication.errors import BadInput, Conflict, NeedsHuman
from syndication.feeds import archives, owing, periods
from syndication.feeds.disclaimers import count_text, render_notice
from syndication.feeds.view import clean
from syndication.ledger import attempts, notices
from syndication.ledger.content import Draft, Entry, Feed, Notice, Publication, Revision
from syndication.ledger.db import Database, ledger_now
from syndication.ledger.lookup import content_of, the_publication
from syndication.ledger.states import ENTRY, move
from syndication.press import Change, Decide, Plan, carry_out, carry_out_sound, take_numbers, touch
from syndication.quoting import refuse_where_said

log = structlog.get_logger(__name__)

BATCH = 50  # entries published in one transaction
REMARK = 1_000  # characters
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """Which version of the notice is current, and whether this call made it."""

    language: str
    version: int
    fresh: bool


def mint_tag(publication: Publication, name: str) -> str:
    """A `tag:` URI (RFC 4151) for something that never got one; `name` is unique in the publication."""
    return f"tag:{publication.tag_authority},{publication.tag_date}:{name}"


def publish(
    db: Database, base_url: str, entry_ids: Sequence[int], *, mail: bool = True, progress: Progress | None = None
) -> list[Change]:
    """Publishes drafts, scheduled and withdrawn entries, and the waiting draft of a published one; others are unchanged.

    `mail=False` is a backfill: feeds show it by its date, nobody gets it by mail. Batches of 50, each one transaction. What is
    refused does not hold up the others; when all are done, raises what refused it (NeedsHuman that names each, where several
    were).
    """
    done: list[Change] = []
    refused: dict[int, NeedsHuman] = {}

    def act(batch: Sequence[int]) -> Decide:
        def decide(session: Session, plan: Plan) -> None:
            for entry in session.scalars(select(Entry).where(Entry.id.in_(batch)).order_by(Entry.id)).unique():
                publish_one(session, plan, entry, mail)

        return decide

    def failed(entry_id: int, error: Exception) -> None:
        if not isinstance(error, NeedsHuman):
            raise error
        refused[entry_id] = error

    for start in range(0, len(entry_ids), BATCH):
        done += carry_out_sound(db, base_url, act, entry_ids[start : start + BATCH], failed)
        if progress:
            progress(len(done) + len(refused), len(entry_ids))
    if len(refused) == 1:
        raise next(iter(refused.values()))
    if refused:
        raise NeedsHuman(
            f"{len(refused)} of {len(entry_ids)} entries were not published:\n"
            + "\n".join(f"entry {entry_id}: {error}" for entry_id, error in refused.items()),
            remedy="\nthe others are published; mend these and publish them again.",
        )
    return done


def correct(
    db: Database, base_url: str, entry_id: int, summary: str = "", *, severity: str = "typo", mail: bool = False
) -> list[Change]:
    """Publishes the waiting draft of a published entry as its next revision; `summary` tells readers what was corrected.

    Above a typo an entry of its own tells of it (see `announcing`), which `mail` also mails.
    Mail that is still pending or deferred gets the new text. Raises Conflict where nothing waits or nothing is published.
    """

    def decide(session: Session, plan: Plan) -> None:
        entry = session.get_one(Entry, entry_id)
        draft = session.get(Draft, entry_id)
        if entry.state != "published":
            raise Conflict(f"entry {entry.slug} is {entry.state}, not published;", remedy="use `syndicate publish`.")
        if draft is None:
            raise Conflict(
                f"no corrected text of entry {entry.slug} waits;",
                remedy="import the changed document first, then correct.",
            )
        remark = _remark(session, entry, summary)
        _revise(session, plan, entry, draft, remark)
        if severity != "typo":
            assert entry.revision is not None
            kind: Kind = "retraction" if severity == "retraction" else "correction"
            plan.announcements.append(_announcement(plan, kind, entry, entry.revision.number, remark, mail))

    return carry_out(db, base_url, decide)


def withdraw(
    db: Database, base_url: str, entry_id: int, reason: str = "", *, severity: str = "typo", mail: bool = False
) -> list[Change]:
    """Takes an entry out of feeds, pages, media and pending mail. It keeps its id and its revisions.

    Above a typo an entry of its own tells of it (see `announcing`), which `mail` also mails.
    """

    def decide(session: Session, plan: Plan) -> None:
        entry = session.get_one(Entry, entry_id)
        if entry.state in ("draft", "scheduled"):
            remedy = "`syndicate discard` drops a draft, `syndicate unschedule` lets a scheduled one wait."
            raise Conflict(f"entry {entry.slug} is {entry.state}: nobody has seen it;", remedy=remedy)
        _take_back(plan, entry, _remark(session, entry, reason))
        plan.changes.append(_change(entry, "withdrawn"))
        if severity != "typo":
            told = _announcement(plan, "withdrawal", entry, plan.seq, entry.withdrawn_reason, mail)
            plan.announcements.append(told)

    return carry_out(db, base_url, decide)


def schedule(session: Session, entry: Entry, at: datetime, *, mail: bool = True) -> None:
    """A draft is to be published at `at` (aware, in the future); a scheduled one gets the new time."""
    if at <= ledger_now(session):
        what = f"{at:%Y-%m-%d %H:%M %Z} has passed;"
        raise BadInput(what, where=f"entry {entry.slug}", remedy="publish it, or name a later time.")
    make_due(session, entry, at, mail=mail)


def make_due(session: Session, entry: Entry, at: datetime, *, mail: bool = True) -> None:
    """As `schedule`, and `at` may be now: the workers publish it when they are rung."""
    if entry.state != "scheduled":
        entry.state = move("entry", ENTRY, entry.slug, entry.state, "scheduled")
    entry.scheduled_at = at
    entry.mail_wanted = mail
    attempts.finished(session, [attempts.named("publish", entry.id)])


def unschedule(session: Session, entry: Entry) -> None:
    """A scheduled entry is a draft again."""
    entry.state = move("entry", ENTRY, entry.slug, entry.state, "draft")
    entry.scheduled_at = None
    attempts.finished(session, [attempts.named("publish", entry.id)])


def discard(session: Session, entry: Entry) -> str:
    """Takes away what was never published: the waiting change of an entry, or an entry that has no more than a draft; the
    title of what is gone. Raises Conflict where there is no such thing."""
    draft = session.get(Draft, entry.id)
    if draft is None:
        raise Conflict(
            f"entry {entry.slug} is {entry.state} and no change of it waits;",
            remedy="what was published can be withdrawn, not discarded.",
        )
    session.delete(draft)
    session.flush()
    if entry.revision is None:
        session.delete(entry)
    return str(draft.content.get("title", ""))


def set_notice(db: Database, base_url: str, publication_id: int, language: str, template: str) -> PublishedVersion:
    """A new version of the disclaimer where its words differ from the newest; every feed is rendered anew, here and by the
    workers, and no entry looks new. Raises as `add_notice`."""
    with db.transaction() as session:
        version = add_notice(session, session.get_one(Publication, publication_id), language, template)
        if version.fresh:
            touch(session, publication_id)
    while version.fresh and owing.render_owed(db, base_url):
        pass
    return version


def add_notice(session: Session, publication: Publication, language: str, template: str) -> PublishedVersion:
    """Keeps a version of the notice, numbered from 1, unless its forms equal the newest. The caller says `touch`.

    Raises BadInput for a template that does not render, and for words that published texts say already."""
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
    refuse_where_said(session, publication.id, text, f"disclaimer.{language}")
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


def even_out(db: Database) -> int:
    """Cuts archives that have grown uneven (a backfill, a bulk load) into pages; how many feeds are owed anew by it."""
    done = 0
    with db.reading() as session:
        ids = archives.uneven(session)
    for feed_id in ids:
        with db.transaction() as session:
            seq = take_numbers(session, the_publication(session).id, 1)  # so that nobody publishes beside it
            feed = session.get_one(Feed, feed_id, populate_existing=True)
            publication = session.get_one(Publication, feed.publication_id)
            keys = periods.bounds(session, publication, feed) if feed.digest else archives.keys_of(session, feed)
            if archives.even_out(session, feed, keys):
                feed.wanted_seq = seq
                done += 1
    return done


def readdress(db: Database, base_url: str, hubs: Sequence[str] = ()) -> bool:
    """Where the base address or the hubs are not those the artifacts were made for, every feed is owed; whether so."""
    wanted = base_url, ",".join(hubs)
    with db.transaction() as session:
        publication = session.scalars(select(Publication).limit(1)).first()
        if publication is None or (publication.base_url, publication.hubs) == wanted:
            return False
        publication.base_url, publication.hubs = wanted
        touch(session, publication.id)
    return True


def rerender_all(db: Database, base_url: str, hubs: Sequence[str] = ()) -> int:
    """Everything that the base address and the hubs owe, now; how many feeds."""
    readdress(db, base_url, hubs)
    return catch_up(db, base_url)


def catch_up(db: Database, base_url: str) -> int:
    """Renders until nothing is owed; how many feeds. What a first rendering finds too long is cut and rendered again."""
    total = 0
    even_out(db)
    while done := owing.render_owed(db, base_url):
        total += done
        even_out(db)
    return total


def _announcement(plan: Plan, kind: Kind, entry: Entry, number: int, remark: str, mail: bool) -> Announcement:
    tag = mint_tag(plan.publication, f"{kind}:{entry.id}:{number}")
    return Announcement(kind, entry.id, number, tag, remark, plan.now, mail)


def _remark(session: Session, entry: Entry, words: str) -> str:
    """A sentence beside an entry, on one line. Raises BadInput where it is too long or carries the notice, which every page
    has once."""
    words = clean(" ".join(words.split()))
    language = (content_of(entry.revision).language if entry.revision else None) or the_publication(session).language
    if len(words) > REMARK or count_text(words, notices.current(session, entry.publication_id, language).text):
        raise BadInput(
            f"the remark has {len(words)} characters, or the notice in it;",
            where=f"entry {entry.slug}",
            remedy=f"say it in one sentence of at most {REMARK} characters.",
        )
    return words


def publish_one(session: Session, plan: Plan, entry: Entry, mail: bool) -> None:
    """What publishing one entry means, for a `decide` of `press.carry_out`."""
    draft = session.get(Draft, entry.id)
    if entry.state == "published":
        if draft is None:
            plan.changes.append(_change(entry, "unchanged"))
        else:
            _revise(session, plan, entry, draft, "")
        return
    again = entry.state == "withdrawn"
    for told in announcing.of_withdrawal(session, entry) if again else ():
        _take_back(plan, told, "")
    entry.state = move("entry", ENTRY, entry.slug, entry.state, "published")
    entry.scheduled_at = entry.withdrawn_at = None
    entry.withdrawn_reason = ""
    seq = plan.stamp(entry)
    if draft is not None:
        _new_revision(session, plan, entry, draft, "")
    if entry.published_at is None:
        stated = draft.published_at if draft else None
        entry.published_at = min(stated, plan.now) if stated else entry.updated_at
    entry.mail_seq = seq if mail else None  # not the number it had: at once, a cursor may still stand before that
    if mail:
        entry.mailed_anew = again
        plan.mailable = True
    plan.changes.append(_change(entry, "published"))


def _take_back(plan: Plan, entry: Entry, reason: str) -> None:
    entry.state = move("entry", ENTRY, entry.slug, entry.state, "withdrawn")
    entry.withdrawn_at, entry.withdrawn_reason = plan.now, reason
    plan.stamp(entry)


def _revise(session: Session, plan: Plan, entry: Entry, draft: Draft, summary: str) -> None:
    plan.stamp(entry)
    _new_revision(session, plan, entry, draft, summary)
    plan.changes.append(_change(entry, "corrected"))


def _new_revision(session: Session, plan: Plan, entry: Entry, draft: Draft, summary: str) -> None:
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

"""Which entries a feed is about, and which feeds an entry touches: asked by marks, so that of thousands only those are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, delete, insert, select
from sqlalchemy.orm import Session

from syndication.feeds.naming import mark_name, marks_of, parsed, takes, with_slugs
from syndication.ledger.content import Entry, Feed, FeedMark, Mark, Publication, Series
from syndication.ledger.former import present_slugs
from syndication.ledger.lookup import content_of

EVERYTHING = "*"


def in_scope(feed: Feed) -> ColumnElement[bool]:
    """The entries a feed is about."""
    if feed.series_ids:
        return Entry.series_id.in_(feed.series_ids)
    groups = [Entry.id.in_(select(Mark.entry_id).where(Mark.key.in_(group))) for group in feed.wants]
    return and_(Entry.publication_id == feed.publication_id, *groups)


def index(session: Session, feed: Feed) -> None:
    """Writes down the marks under which `touched` finds a feed: of the group that the fewest entries are likely to have."""
    session.execute(delete(FeedMark).where(FeedMark.feed_id == feed.id))
    keys: Sequence[str] = [EVERYTHING]
    if feed.series_ids:
        slugs = session.scalars(select(Series.slug).where(Series.id.in_(feed.series_ids)))
        keys = [f"series:{slug}" for slug in slugs]
    elif feed.wants:
        rare = ("author", "topic", "series", "language")
        keys = min(feed.wants, key=lambda group: rare.index(group[0].partition(":")[0]))
    session.execute(insert(FeedMark), [{"feed_id": feed.id, "key": key} for key in sorted(set(keys))])


def marks_in_memory(publication: Publication, entry: Entry) -> dict[str, str]:
    """The marks of an entry as the session has it."""
    if entry.revision is None:
        return {}
    content = content_of(entry.revision)
    return marks_of(content, entry.series.slug, content.language or publication.language)


def touched(session: Session, publication: Publication, entries: Sequence[Entry]) -> dict[int, list[Feed]]:
    """Entry id → the feeds that show it, or showed it before what this session has in memory."""
    marks: dict[int, set[str]] = {entry.id: set(marks_in_memory(publication, entry)) for entry in entries}
    before: dict[int, set[str]] = {entry.id: set() for entry in entries}
    for entry_id, key in session.execute(select(Mark.entry_id, Mark.key).where(Mark.entry_id.in_(marks))):
        before[entry_id].add(key)
    known = {EVERYTHING}.union(*marks.values(), *before.values())
    mine = select(FeedMark.feed_id).where(FeedMark.key.in_(known))
    feeds = session.scalars(
        select(Feed)
        .where(Feed.publication_id == publication.id, Feed.gone.is_(False), Feed.id.in_(mine))
        .order_by(Feed.id)
    ).all()
    return {
        entry.id: [feed for feed in feeds if any(_shows(feed, entry, found[entry.id]) for found in (marks, before))]
        for entry in entries
    }


def _shows(feed: Feed, entry: Entry, marks: set[str]) -> bool:
    return entry.series_id in feed.series_ids if feed.series_ids else takes(feed.wants, marks)


def keep_marks(session: Session, publication: Publication, entries: Iterable[Entry]) -> dict[str, str]:
    """Writes down the marks of entries as they are now published; gives all of them, with how a person calls each."""
    all_marks: dict[str, str] = {}
    for entry in entries:
        marks = marks_in_memory(publication, entry)
        session.execute(delete(Mark).where(Mark.entry_id == entry.id), execution_options={"synchronize_session": False})
        if marks:
            session.execute(insert(Mark), [{"entry_id": entry.id, "key": key} for key in marks])
        if entry.state == "published":
            all_marks |= {key: words for key, words in marks.items() if key not in all_marks}
    return all_marks


def present_name(session: Session, name: str) -> str:
    """What a feed is called that had this name, before a series in it was renamed; empty where no feed had it."""
    said, slugs = parsed(name), present_slugs(session)
    return str(with_slugs(said, slugs)) if said is not None and slugs.keys() & set(said.parts) else ""


def open_feeds(session: Session, publication: Publication, marks: Mapping[str, str]) -> None:
    """A feed for each author, topic and language that has none yet: a row, owed."""
    names = {mark_name(key): (key, words) for key, words in marks.items() if not key.startswith("series:")}
    known = session.scalars(select(Feed.name).where(Feed.publication_id == publication.id, Feed.name.in_(names)))
    for name in set(names) - set(known):
        key, words = names[name]
        feed = Feed(
            publication_id=publication.id, name=name, kind="mark", series_ids=[], wants=[[key]], title=words,
            wanted_seq=publication.seq,
        )  # fmt: skip
        session.add(feed)
        session.flush()
        index(session, feed)

"""Feeds that a reader puts together of others, and digest feeds: made when somebody asks, kept as any other.

Guarantees: they are bounded in number, those that nobody asks for are forgotten, and one that is made again has its old id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import TryLater
from syndication.feeds import naming, owing, scope
from syndication.ledger.content import Artifact, Feed, FeedMark, FeedPage, Series
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.ledger.machines import HubSubscription, HubTopic, Push
from syndication.ledger.operations import Reader
from syndication.press import take_numbers

COMPOSED = 1_000  # feeds made on demand that are kept; of more, the one that was longest not asked for goes
UNUSED = timedelta(days=60)  # after that long without a question a feed made on demand is forgotten
NOTED_EVERY = timedelta(minutes=30)
_UNSYNCED = {"synchronize_session": False}


def compose(db: Database, base_url: str, name: naming.Name) -> bool:
    """Makes and renders a feed that somebody asks for; False where one of its parts is not there. Raises TryLater where as
    many as may be are in use."""
    with db.transaction() as session:
        publication = the_publication(session)
        seq = take_numbers(session, publication.id, 0)  # the row: one at a time
        found = session.scalars(select(Feed).where(Feed.name == str(name))).first()
        if found is None:
            parts = part_scope(session, name)
            if parts is None:
                return False
            _make_room(session)
            now = clock.now()
            series_ids, wants = parts
            found = Feed(
                publication_id=publication.id, name=str(name), kind="composed", series_ids=series_ids, wants=wants,
                digest=name.digest, asked_at=now, wanted_seq=seq, epoch=int(now.timestamp()) // 60,
                minted=str(naming.with_slugs(name, _first_slugs(session, name))),
            )  # fmt: skip
            session.add(found)  # its epoch: if it was here before, its pages had other addresses
            session.flush()
            scope.index(session, found)
        feed_id = found.id
    owing.render_one(db, base_url, feed_id)
    return True


def note_asked(db: Database, names: Sequence[str]) -> None:
    """Somebody has asked for these lately: they are in use."""
    now = clock.now()
    with db.transaction() as session:
        stale = (Feed.name.in_(names), Feed.kind == "composed", Feed.asked_at < now - NOTED_EVERY)
        session.execute(update(Feed).where(*stale).values(asked_at=now), execution_options=_UNSYNCED)


def forget_unused(db: Database) -> int:
    """Forgets feeds made on demand that nobody asked for in sixty days; how many. Asked for again, they are made again."""
    with db.transaction() as session:
        ids = list(session.scalars(_idle(clock.now() - UNUSED).limit(500)))
        _forget(session, ids)
    return len(ids)


def anything_unused(session: Session) -> bool:
    return session.execute(_idle(clock.now() - UNUSED).limit(1)).first() is not None


def part_scope(session: Session, name: naming.Name) -> tuple[list[int], list[list[str]]] | None:
    """(series, wants) of a composed feed or a digest; None where a part is not there."""
    if name.parts == ("all",):
        return [], []
    if len(name.parts) == 1:
        named = session.scalars(
            select(Feed).where(Feed.name == name.parts[0], Feed.private.is_(False), Feed.gone.is_(False))
        ).first()
        return (list(named.series_ids), list(named.wants)) if named is not None and named.kind != "composed" else None
    marks = [naming.part_mark(part) for part in name.parts]
    series = list(session.scalars(select(Series.id).where(Series.slug.in_(name.parts))))
    feeds = select(Feed.name).where(Feed.name.in_(name.parts), Feed.kind.in_(("mark", "series")), Feed.gone.is_(False))
    if set(session.scalars(feeds)) != set(name.parts):
        return None
    if len(series) == len(name.parts):
        return sorted(series), []
    return [], [sorted(marks)]


def _first_slugs(session: Session, name: naming.Name) -> dict[str, str]:
    """Of the series in a name: present slug → first one."""
    found = session.execute(select(Series.slug, Series.minted).where(Series.slug.in_(name.parts)))
    return {row.slug: row.minted for row in found}


def _make_room(session: Session) -> None:
    kept = session.scalar(select(func.count()).select_from(Feed).where(Feed.kind == "composed")) or 0
    if kept < COMPOSED:
        return
    oldest = session.scalars(_idle(clock.now()).order_by(Feed.asked_at, Feed.id).limit(1)).first()
    if oldest is None:
        raise TryLater("as many feeds as may be are put together and followed;", remedy="ask again later.")
    _forget(session, [oldest])


def _idle(since: datetime) -> Select[int]:
    """Feeds made on demand that nobody has asked for since then, and no machine subscribes to."""
    followed = exists().where(HubTopic.feed_id == Feed.id, HubSubscription.topic_id == HubTopic.id)
    return select(Feed.id).where(Feed.kind == "composed", Feed.asked_at < since, ~followed)


def _forget(session: Session, ids: Sequence[int]) -> None:
    topics = select(HubTopic.id).where(HubTopic.feed_id.in_(ids))
    session.execute(delete(Push).where(Push.topic_id.in_(topics)), execution_options=_UNSYNCED)
    for table in (HubTopic, Artifact, FeedPage, FeedMark, Reader):
        session.execute(delete(table).where(table.feed_id.in_(ids)), execution_options=_UNSYNCED)
    session.execute(delete(Feed).where(Feed.id.in_(ids)), execution_options=_UNSYNCED)

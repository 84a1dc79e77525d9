"""Feeds as artifacts: rendered, gated on their final bytes, compressed once, stored; served from memory by `web.feeds`.

A feed whose `rendered_seq` is less than its `wanted_seq` is owed; `render_owed` finds and renders it. Rendering looks at a
snapshot and holds no lock; an older rendering never replaces a newer one.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import brotli
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import SyndicationError
from syndication.feeds.formats import FORMATS, gate
from syndication.feeds.view import (
    FeedView,
    ItemView,
    as_uri,
    briefer,
    clean,
    feed_url,
    hub_url,
    item_view,
    series_url,
)
from syndication.feeds.words import words
from syndication.ledger import attempts, notices
from syndication.ledger.content import Artifact, Entry, Feed, Publication, Series
from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.lookup import content_of

log = structlog.get_logger(__name__)

SHOWN = 20  # entries of a feed; fewer where they would make it larger than MAX_BYTES
FEWEST = 5  # entries of a feed, however long: the longest are then shown by their beginnings
MAX_BYTES = 512_000  # some readers stop there
GZIP_LEVEL = 6
BROTLI_QUALITY = 5


@dataclass(frozen=True, slots=True)
class Rendered:
    """One format of one feed, ready to store. `entry_ids` are the entries it shows, in order."""

    format: str
    gzip: bytes
    brotli: bytes
    size: int
    etag: str
    entry_ids: tuple[int, ...]


def ensure_feed(
    session: Session,
    publication: Publication,
    name: str,
    kind: str,
    series_ids: Sequence[int],
    *,
    private: bool = False,
) -> Feed:
    """The feed of that name, made (and owed) where it does not exist. `kind`: all | series | scope."""
    feed = session.scalars(select(Feed).where(Feed.publication_id == publication.id, Feed.name == name)).first()
    if feed is None:
        feed = Feed(
            publication_id=publication.id,
            name=name,
            kind=kind,
            series_ids=sorted(series_ids),
            private=private,
            wanted_seq=publication.seq,
            rendered_seq=-1,
        )
        session.add(feed)
        session.flush()
    return feed


def render(
    session: Session, publication: Publication, feed: Feed, base_url: str, changed: Sequence[Entry] = ()
) -> list[Rendered]:
    """All formats of a feed from this session's view of the ledger, gated. `changed` are entries changed in memory only.

    Raises DisclaimerBreach where a format forgot the notice or has it twice.
    """
    view = feed_view(session, publication, feed, base_url, changed)
    while True:
        bodies = {name: fmt.render(view) for name, fmt in FORMATS.items()}
        smaller = _smaller(view) if max(map(len, bodies.values())) > MAX_BYTES else None
        if smaller is None:
            break
        view = smaller
    entry_ids = tuple(item.entry_id for item in view.items)
    rendered = []
    for name, body in bodies.items():
        gate(FORMATS[name], body, view)
        rendered.append(
            Rendered(
                format=name,
                gzip=gzip.compress(body, GZIP_LEVEL, mtime=0),
                brotli=brotli.compress(body, quality=BROTLI_QUALITY, mode=brotli.MODE_TEXT),
                size=len(body),
                etag=hashlib.sha256(body).hexdigest()[:32],
                entry_ids=entry_ids,
            )
        )
    return rendered


def feed_view(
    session: Session, publication: Publication, feed: Feed, base_url: str, changed: Sequence[Entry] = ()
) -> FeedView:
    """The newest entries of the feed's scope with their notices; `changed` as in `render`."""
    scope = [Entry.publication_id == publication.id]
    if feed.series_ids:
        scope = [Entry.series_id.in_(feed.series_ids)]
    mine = [e for e in changed if not feed.series_ids or e.series_id in feed.series_ids]
    found = session.scalars(
        select(Entry)
        .where(*scope, Entry.state == "published")
        .order_by(Entry.published_at.desc(), Entry.id.desc())
        .limit(SHOWN + len(mine))
    ).all()
    by_id = {e.id: e for e in (*found, *mine) if e.state == "published"}
    shown = sorted(by_id.values(), key=lambda e: (_moment(e.published_at), e.id), reverse=True)[:SHOWN]
    stamps = [session.scalar(select(func.max(Entry.updated_at)).where(*scope)), *(e.updated_at for e in mine)]
    series = session.get_one(Series, feed.series_ids[0]) if feed.kind == "series" else None
    return FeedView(
        id=f"tag:{publication.tag_authority},{publication.tag_date}:feed:{feed.name}",
        title=clean(f"{publication.name}: {series.title}" if series else publication.name),
        description=clean(
            (series.description if series else "")
            or words(publication.language).every_entry.format(publication=publication.name)
        ),
        language=publication.language,
        home_url=series_url(base_url, series.slug) if series else f"{base_url}/",
        self_urls={fmt: feed_url(base_url, feed.name, fmt, private=feed.private) for fmt in FORMATS},
        updated=max((s for s in stamps if s is not None), default=publication.created_at),
        publisher=clean(publication.name),
        publisher_url=as_uri(publication.url),
        items=tuple(_item(session, publication, entry, base_url) for entry in shown),
        hubs=() if feed.private else hubs_of(publication, base_url),
    )


def hubs_of(publication: Publication, base_url: str) -> tuple[str, ...]:
    """Every hub that pushes the public feeds: ours first."""
    return (hub_url(base_url), *filter(None, publication.hubs.split(",")))


def _item(session: Session, publication: Publication, entry: Entry, base_url: str) -> ItemView:
    assert entry.revision is not None
    content = content_of(entry.revision)
    language = content.language or publication.language
    return item_view(
        content,
        notices.current(session, publication.id, language),
        entry_id=entry.id,
        tag_uri=entry.tag_uri,
        base_url=base_url,
        language=language,
        series_slug=entry.series.slug,
        series_title=entry.series.title,
        series_note=entry.series.note,
        slug=entry.slug,
        part=entry.part,
        published=_moment(entry.published_at),
        updated=_moment(entry.updated_at),
    )


def store(session: Session, feed: Feed, rendered: Sequence[Rendered], seq: int) -> bool:
    """Keeps a rendering made of the ledger as of `seq`; False where a newer one is there already. Takes the feed's row,
    so that of two renderers one waits and then sees the other's number."""
    fresh = session.execute(
        update(Feed)
        .where(Feed.id == feed.id, Feed.rendered_seq < seq)
        .values(rendered_seq=seq)
        .execution_options(synchronize_session=False)
    )
    if not fresh.rowcount:  # type: ignore[attr-defined]  # a DML result has it
        return False
    shown = session.execute(select(Entry.id, Entry.revision_id).where(Entry.id.in_(rendered[0].entry_ids)))
    revisions = {row.id: row.revision_id for row in shown}
    for form in rendered:
        artifact = session.get(Artifact, (feed.id, form.format))
        now = clock.now().replace(microsecond=0)
        if artifact is None:
            artifact = Artifact(feed_id=feed.id, format=form.format, last_modified=now, etag="")
            session.add(artifact)
        elif artifact.etag != form.etag:
            artifact.last_modified = max(now, artifact.last_modified + timedelta(seconds=1))
        if artifact.etag != form.etag:
            ring_after_commit(session, "push.send")
            artifact.gzip, artifact.brotli = form.gzip, form.brotli
            artifact.size, artifact.etag = form.size, form.etag
        artifact.seq = seq
        artifact.entry_revisions = [revisions[i] for i in form.entry_ids]
    session.flush()
    return True


def owed(session: Session, limit: int = 50) -> list[int]:
    """Ids of feeds that are behind, without those that failed so often that they wait."""
    query = select(Feed.id).where(Feed.rendered_seq < Feed.wanted_seq, Feed.gone.is_(False)).order_by(Feed.id)
    return list(session.scalars(query.where(~attempts.waits(session, "feed", Feed.id)).limit(limit)))


def render_owed(db: Database, base_url: str, limit: int = 50) -> int:
    """Renders feeds that are behind, each in its own transaction; how many. One that fails is logged and stays owed."""
    with db.reading() as session:
        works = {attempts.named("feed", feed_id): feed_id for feed_id in owed(session, limit)}
    done = 0
    for work in (work for part in attempts.in_turn(db, list(works)) for work in part):
        try:
            with db.reading() as session:
                feed = session.get_one(Feed, works[work])
                publication = session.get_one(Publication, feed.publication_id)
                rendered = render(session, publication, feed, base_url)
                seq = publication.seq
            with db.transaction() as session:
                done += store(session, session.get_one(Feed, works[work]), rendered, seq)
                attempts.finished(session, [work])
        except SyndicationError as error:
            log.error("a feed cannot be rendered; it keeps its last good bytes", feed=works[work], reason=str(error))
            with db.transaction() as session:
                attempts.failed(session, work, str(error))
    return done


def _smaller(view: FeedView) -> FeedView | None:
    """The view with fewer entries, then with the longest text by its beginning only; None where nothing is left to take."""
    if len(view.items) > FEWEST:
        return replace(view, items=view.items[: max(FEWEST, len(view.items) * 3 // 4)])
    longest = max(view.items, key=lambda item: len(item.content_html), default=None)
    if longest is None or longest.content_html == longest.brief_html:
        return None
    return replace(view, items=tuple(briefer(item) if item is longest else item for item in view.items))


def _moment(value: datetime | None) -> datetime:
    assert value is not None, "a published entry has its dates"
    return value

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
from syndication.feeds import archives
from syndication.feeds.archives import Key
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
from syndication.ledger.content import Artifact, Entry, Feed, FeedPage, Publication, Series
from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.lookup import content_of

log = structlog.get_logger(__name__)

FEWEST = 5  # entries of a feed, however long: the longest are then shown by their beginnings
MAX_BYTES = 512_000  # some readers stop there
GZIP_LEVEL = 6
BROTLI_QUALITY = 5


@dataclass(frozen=True, slots=True)
class Rendered:
    """One format of one document, ready to store."""

    format: str
    gzip: bytes
    brotli: bytes
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """A feed's newest document. `entry_ids` are the entries it shows, in order; `cuts` the bounds of pages that its older
    entries become with it; `uneven` says that there are more of those than one act may cut."""

    forms: tuple[Rendered, ...]
    entry_ids: tuple[int, ...]
    cuts: tuple[Key, ...]
    uneven: bool


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
) -> Rendering:
    """All formats of a feed from this session's view of the ledger, gated. `changed` are entries changed in memory only.

    What does not fit, by number or by size, becomes a page of the archive (see `feeds.archives`); a private feed has none
    and shows the newest. Raises DisclaimerBreach where a format forgot the notice or has it twice.
    """
    mine = [e for e in changed if not feed.series_ids or e.series_id in feed.series_ids]
    page = None if feed.private else archives.newest_page(session, feed)
    tail = _tail(session, feed, page, mine)
    cuts: list[Key] = []
    uneven = len(tail) > archives.AT_MOST
    whole = feed.private or uneven  # then what does not fit is left out, here
    if whole:
        tail = tail[: archives.PAGE]
    while len(tail) >= 2 * archives.PAGE:
        cuts.append(archives.key_of(tail[-archives.PAGE]))
        tail = tail[: -archives.PAGE]
    while True:
        older = archives.link_to(page, mine, cuts)
        view = feed_view(session, publication, feed, base_url, tail, mine, older)
        bodies = {name: fmt.render(view) for name, fmt in FORMATS.items()}
        if len(tail) <= FEWEST or max(map(len, bodies.values())) <= MAX_BYTES:
            break
        left = max(FEWEST, len(tail) * 3 // 4)
        if not whole:
            cuts.append(archives.key_of(tail[left]))
        tail = tail[:left]
    view, bodies = _fitting(view, bodies)
    return Rendering(
        forms=tuple(form_of(name, body, view) for name, body in bodies.items()),
        entry_ids=tuple(item.entry_id for item in view.items),
        cuts=tuple(cuts),
        uneven=uneven and not feed.private,
    )


def render_page(
    session: Session, publication: Publication, feed: Feed, page: FeedPage, base_url: str, fmt: str
) -> Rendered:
    """One format of a page of the archive, gated; the same bytes for the same address."""
    older = archives.newest_page(session, feed, page)
    entries = archives.entries_of(session, feed, page)
    whole = feed_view(session, publication, feed, base_url, entries, entries, archives.link_to(older))
    at = {
        name: archives.address(base_url, feed, archives.Link(page.upto_id, page.generation), name) for name in FORMATS
    }
    stamps = [_moment(entry.updated_at) for entry in entries]
    view = replace(
        whole, self_urls=at, current_urls=whole.self_urls, hubs=(), updated=max(stamps, default=page.upto_at)
    )
    view, bodies = _fitting(view, {fmt: FORMATS[fmt].render(view)})
    return form_of(fmt, bodies[fmt], view)


def form_of(name: str, body: bytes, view: FeedView) -> Rendered:
    """The final bytes of one format, gated and compressed. Raises DisclaimerBreach."""
    gate(FORMATS[name], body, view)
    return Rendered(
        format=name,
        gzip=gzip.compress(body, GZIP_LEVEL, mtime=0),
        brotli=brotli.compress(body, quality=BROTLI_QUALITY, mode=brotli.MODE_TEXT),
        size=len(body),
        etag=hashlib.sha256(body).hexdigest()[:32],
    )


def _tail(session: Session, feed: Feed, page: FeedPage | None, mine: Sequence[Entry]) -> list[Entry]:
    """The published entries beyond the newest page, the newest first; of very many the newest."""
    found = session.scalars(
        select(Entry)
        .where(archives.in_scope(feed), Entry.state == "published", *archives.beyond(page))
        .order_by(Entry.published_at.desc(), Entry.id.desc())
        .limit(archives.PAGE + len(mine) if feed.private else archives.AT_MOST + 1 + len(mine))
    ).unique()
    bound = archives.bound_of(page) if page else None
    by_id = {
        e.id: e for e in (*found, *mine) if e.state == "published" and (bound is None or archives.key_of(e) > bound)
    }
    return sorted(by_id.values(), key=archives.key_of, reverse=True)


def feed_view(
    session: Session,
    publication: Publication,
    feed: Feed,
    base_url: str,
    entries: Sequence[Entry],
    mine: Sequence[Entry],
    older: archives.Link | None,
) -> FeedView:
    """A document of the feed that shows `entries` with their notices. `mine` are those whose dates the feed's own date must
    not be older than; `older` is the page to go on with."""
    stamps = [session.scalar(select(func.max(Entry.updated_at)).where(archives.in_scope(feed)))]
    series = session.get_one(Series, feed.series_ids[0]) if feed.kind == "series" else None
    older_urls = {fmt: archives.address(base_url, feed, older, fmt) for fmt in FORMATS} if older else {}
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
        updated=max((s for s in (*stamps, *(e.updated_at for e in mine)) if s), default=publication.created_at),
        publisher=clean(publication.name),
        publisher_url=as_uri(publication.url),
        items=tuple(_item(session, publication, entry, base_url) for entry in entries),
        hubs=() if feed.private else hubs_of(publication, base_url),
        older_urls=older_urls,
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


def store(session: Session, feed: Feed, rendering: Rendering, seq: int) -> bool:
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
    shown = session.execute(select(Entry.id, Entry.revision_id).where(Entry.id.in_(rendering.entry_ids)))
    revisions = {row.id: row.revision_id for row in shown}
    for form in rendering.forms:
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
        artifact.entry_revisions = [revisions[i] for i in rendering.entry_ids]
    archives.cut(session, feed, rendering.cuts)
    feed.uneven = feed.uneven or rendering.uneven
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


def _fitting(view: FeedView, bodies: dict[str, bytes]) -> tuple[FeedView, dict[str, bytes]]:
    """The view with the longest texts by their beginnings only, as far as size demands, and its bytes."""
    while max(map(len, bodies.values())) > MAX_BYTES:
        longest = max(view.items, key=lambda item: len(item.content_html), default=None)
        if longest is None or longest.content_html == longest.brief_html:
            break
        view = replace(view, items=tuple(briefer(item) if item is longest else item for item in view.items))
        bodies = {name: FORMATS[name].render(view) for name in bodies}
    return view, bodies


def _moment(value: datetime | None) -> datetime:
    assert value is not None, "a published entry has its dates"
    return value

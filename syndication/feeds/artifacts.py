"""Feeds as artifacts: rendered, gated on their final bytes, compressed once, stored; served from memory by `web.feeds`.

Rendering looks at a snapshot and holds no lock; an older rendering never replaces a newer one. Which feeds are owed, and who
renders them, is `feeds.owing`.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import brotli
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.feeds import archives, periods, scope
from syndication.feeds.archives import Key
from syndication.feeds.changes import KEPT, Facts, differences
from syndication.feeds.formats import FORMATS, gate
from syndication.feeds.layout import fitting, lay_out
from syndication.feeds.showing import facts_of, feed_view
from syndication.feeds.view import FeedView
from syndication.ledger.content import Artifact, Entry, Feed, FeedPage, Publication
from syndication.ledger.db import ring_after_commit

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
    facts: Facts
    due_at: datetime | None = None  # of a digest: when its next item is there


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
        scope.index(session, feed)
    return feed


def render(
    session: Session, publication: Publication, feed: Feed, base_url: str, changed: Sequence[Entry] = ()
) -> Rendering:
    """All formats of a feed from this session's view of the ledger, gated. `changed` are entries changed in memory only.

    What does not fit, by number or by size, becomes a page of the archive (see `feeds.archives`); some feeds have none and show
    the newest. Raises DisclaimerBreach where a format forgot the notice or has it twice.
    """
    mine = [e for e in changed if not feed.series_ids or e.series_id in feed.series_ids]
    page = archives.newest_page(session, feed) if feed.archived else None
    if feed.digest:
        return _digest(session, publication, feed, base_url, page)
    tail = _tail(session, feed, page, mine)
    uneven = feed.archived and len(tail) > archives.AT_MOST
    pages = feed.archived and not uneven  # else what does not fit is left out, here
    if not pages:
        tail = tail[: feed.newest or archives.PAGE]

    def show(shown: Sequence[Entry], cuts: Sequence[Key]) -> FeedView:
        older = archives.link_to(page, mine, cuts)
        return feed_view(session, publication, feed, base_url, in_order(feed, shown), mine, older)

    laid = lay_out(tail, archives.key_of, show, pages=pages)
    return Rendering(
        forms=tuple(form_of(name, body, laid.view) for name, body in laid.bodies.items()),
        entry_ids=tuple(item.entry_id for item in laid.view.items),
        cuts=laid.cuts,
        uneven=uneven,
        facts=facts_of(session, publication, laid.shown, laid.view),
    )


def _digest(session: Session, publication: Publication, feed: Feed, base_url: str, page: FeedPage | None) -> Rendering:
    """A feed with one item for each day or week that is over."""
    now = clock.now()
    zone = ZoneInfo(publication.timezone)
    begins = periods.tail(session, publication, feed, page, now)
    uneven = feed.archived and len(begins) > archives.AT_MOST
    pages = feed.archived and not uneven

    def show(shown: Sequence[date], cuts: Sequence[Key]) -> FeedView:
        return periods.digest_view(session, publication, feed, base_url, shown, archives.link_to(page, (), cuts))

    tail = begins if pages else begins[: archives.PAGE]
    laid = lay_out(tail, lambda begin: periods.bound(begin, feed.digest, zone), show, pages=pages)
    return Rendering(
        forms=tuple(form_of(name, body, laid.view) for name, body in laid.bodies.items()),
        entry_ids=(),
        cuts=laid.cuts,
        uneven=uneven,
        facts=facts_of(session, publication, [], laid.view),
        due_at=periods.due_at(session, publication, feed, now),
    )


def in_order(feed: Feed, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Of a document: the newest first, or from the lowest part to the highest."""
    if feed.order != "part":
        return entries
    return sorted(entries, key=lambda e: (e.part is None, e.part or 0, archives.key_of(e)))


def render_page(
    session: Session, publication: Publication, feed: Feed, page: FeedPage, base_url: str, fmt: str
) -> Rendered:
    """One format of a page of the archive, gated; the same bytes for the same address."""
    older = archives.link_to(archives.newest_page(session, feed, page))
    if feed.digest:
        begins = periods.within(session, publication, feed, page)
        whole = periods.digest_view(session, publication, feed, base_url, begins, older)
    else:
        entries = in_order(feed, archives.entries_of(session, feed, page))
        whole = feed_view(session, publication, feed, base_url, entries, entries, older)
    at = {
        name: archives.address(base_url, feed, archives.Link(page.upto_id, page.generation), name) for name in FORMATS
    }
    stamps = [item.updated for item in whole.items]
    view = replace(
        whole,
        self_urls=at,
        current_urls=whole.self_urls,
        complete=False,
        hubs=(),
        updated=max(stamps, default=page.upto_at),
    )
    view, bodies = fitting(view, {fmt: FORMATS[fmt].render(view)})
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
        .where(scope.in_scope(feed), Entry.state == "published", *archives.beyond(page))
        .order_by(Entry.published_at.desc(), Entry.id.desc())
        .limit((archives.AT_MOST + 1 if feed.archived else feed.newest or archives.PAGE) + len(mine))
    ).unique()
    bound = archives.bound_of(page) if page else None
    by_id = {
        e.id: e for e in (*found, *mine) if e.state == "published" and (bound is None or archives.key_of(e) > bound)
    }
    return sorted(by_id.values(), key=archives.key_of, reverse=True)


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
    new_bytes = False
    for form in rendering.forms:
        artifact = session.get(Artifact, (feed.id, form.format))
        now = clock.now().replace(microsecond=0)
        if artifact is None:
            artifact = Artifact(feed_id=feed.id, format=form.format, last_modified=now, etag="")
            session.add(artifact)
        elif artifact.etag != form.etag:
            artifact.last_modified = max(now, artifact.last_modified + timedelta(seconds=1))
        if artifact.etag != form.etag:
            new_bytes = True
            ring_after_commit(session, "push.send")
            artifact.gzip, artifact.brotli = form.gzip, form.brotli
            artifact.size, artifact.etag = form.size, form.etag
        artifact.seq = seq
        artifact.entry_revisions = [revisions[i] for i in rendering.entry_ids]
    if new_bytes:
        why = {"at": clock.now().isoformat(), "number": seq, "why": differences(feed.facts, rendering.facts)}
        feed.facts, feed.history = rendering.facts.stored(), [why, *feed.history[: KEPT - 1]]
    archives.cut(session, feed, rendering.cuts)
    feed.due_at = rendering.due_at
    feed.uneven = feed.uneven or rendering.uneven
    session.flush()
    return True

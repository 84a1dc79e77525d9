"""The archive behind a feed (RFC 5005): which entries lie in which document, and where the documents are.

Every published entry of a feed stands in exactly one of its documents: the *tail*, beyond the newest page's bound, in the feed
itself; the others in pages of twenty. Guarantees: a bound never moves, so a reader that follows the chain meets each entry
once, also while entries are published; a page's address changes when its bytes do, so it may be cached for ever. A page is
rendered when it is asked for, from the ledger, through the same gate as every feed.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, Tuple, delete, func, insert, literal, select, tuple_, update
from sqlalchemy.orm import Session

from syndication.feeds.scope import in_scope
from syndication.ledger.content import Entry, Feed, FeedPage

_UNSYNCED = {"synchronize_session": False}
PAGE = 20  # entries; the tail has as many, or up to one fewer than twice as many
AT_MOST = 4 * PAGE + 50  # a longer tail is cut by `even_out`, not by whoever publishes
_ADDRESS = re.compile(
    r"/feeds/(?:key/([0-9a-f]{32})/)?([a-z0-9][a-z0-9.+-]*)/archive/(\d{1,18})-(\d{1,9})\.(\d{1,9})\.(rss|atom|json)"
)


class Key(NamedTuple):
    """Where an entry stands in every feed: when it was first published, then its id."""

    at: datetime
    id: int


_ENTRY = tuple_(Entry.published_at, Entry.id)
_PAGE = tuple_(FeedPage.upto_at, FeedPage.upto_id)


def _at(key: Key) -> Tuple:
    return tuple_(literal(key.at, Entry.published_at.type), literal(key.id, Entry.id.type))


class Link(NamedTuple):
    """What a page's address is made of beside the feed: the id of its last entry, and its generation."""

    upto_id: int
    generation: int


class Wanted(NamedTuple):
    """What an archive's address names; `key` of a private feed's."""

    key: str
    feed: str
    upto_id: int
    epoch: int
    generation: int
    format: str


def key_of(entry: Entry) -> Key:
    assert entry.published_at is not None, "a published entry has its dates"
    return Key(entry.published_at, entry.id)


def newest_page(session: Session, feed: Feed, below: FeedPage | None = None) -> FeedPage | None:
    """The newest page, or the newest below another."""
    query = select(FeedPage).where(FeedPage.feed_id == feed.id)
    if below is not None:
        query = query.where(_at(bound_of(below)) > _PAGE)
    newest = query.order_by(FeedPage.upto_at.desc(), FeedPage.upto_id.desc()).limit(1)
    return session.scalars(newest).first()


def bound_of(page: FeedPage) -> Key:
    return Key(page.upto_at, page.upto_id)


def beyond(page: FeedPage | None) -> list[ColumnElement[bool]]:
    """Entries after a page's bound, in the order of feeds; after none: all."""
    if page is None:
        return []
    bound = bound_of(page)
    # The first condition says nothing more, but an index can serve it.
    return [Entry.published_at >= bound.at, _at(bound) < _ENTRY]


def entries_of(session: Session, feed: Feed, page: FeedPage) -> list[Entry]:
    """The published entries of a page, the newest first."""
    query = (
        select(Entry)
        .where(
            in_scope(feed),
            Entry.state == "published",
            Entry.published_at <= page.upto_at,
            _at(bound_of(page)) >= _ENTRY,
            *beyond(newest_page(session, feed, page)),
        )
        .order_by(Entry.published_at.desc(), Entry.id.desc())
    )
    return list(session.scalars(query).unique())


def cut(session: Session, feed: Feed, bounds: Sequence[Key]) -> None:
    """New pages at these bounds: rows of numbers; nothing is rendered."""
    if bounds:
        session.execute(insert(FeedPage), [{"feed_id": feed.id, "upto_at": b.at, "upto_id": b.id} for b in bounds])


def changed(session: Session, touched: Mapping[int, Sequence[Feed]], entries: Sequence[Entry]) -> None:
    """Entries (`touched`: id → feeds that show it) were corrected, withdrawn or published with an old date: the pages they lie
    in and every newer one get new addresses; a page that grew is looked at by `even_out`."""
    for entry in entries:
        if entry.published_at is None:
            continue
        mine = [feed.id for feed in touched[entry.id] if feed.archived]
        moved = session.scalars(
            update(FeedPage)
            .where(
                FeedPage.feed_id.in_(mine),
                _at(key_of(entry)) <= _PAGE,
            )
            .values(generation=FeedPage.generation + 1)
            .returning(FeedPage.feed_id),
            execution_options={"synchronize_session": False},
        )
        uneven = set(moved)
        if uneven and entry.state == "published":
            session.execute(
                update(Feed).where(Feed.id.in_(uneven)).values(uneven=True),
                execution_options={"synchronize_session": False},
            )


def uneven(session: Session, limit: int = 50) -> list[int]:
    """Ids of feeds whose pages are owed."""
    return list(
        session.scalars(select(Feed.id).where(Feed.uneven, Feed.gone.is_(False)).order_by(Feed.id).limit(limit))
    )


def keys_of(session: Session, feed: Feed) -> list[Key]:
    """Of all its published entries, the oldest first."""
    found = session.execute(
        select(Entry.published_at, Entry.id)
        .where(in_scope(feed), Entry.state == "published")
        .order_by(Entry.published_at, Entry.id)
    )
    return [Key(at, id_) for at, id_ in found if at is not None]


def even_out(session: Session, feed: Feed, keys: Sequence[Key]) -> bool:
    """Cuts what is too long, the tail and pages that grew, into pages; whether anything changed. `keys` of all that the feed is
    about, the oldest first."""
    pages = session.scalars(
        select(FeedPage).where(FeedPage.feed_id == feed.id).order_by(FeedPage.upto_at, FeedPage.upto_id)
    ).all()
    bounds: list[Key] = []
    start = 0
    for page in pages:
        end = start
        while end < len(keys) and keys[end] <= bound_of(page):
            end += 1
        bounds += [keys[n - 1] for n in range(start + PAGE, end, PAGE) if end - start >= 2 * PAGE]
        start = end
    rest = len(keys) - start
    while rest >= 2 * PAGE:
        bounds.append(keys[start + PAGE - 1])
        start, rest = start + PAGE, rest - PAGE
    feed.uneven = False
    known = {bound_of(page) for page in pages}
    fresh = [bound for bound in bounds if bound not in known]
    if not fresh:
        return False
    session.execute(
        update(FeedPage)
        .where(FeedPage.feed_id == feed.id, _at(min(fresh)) <= _PAGE)
        .values(generation=FeedPage.generation + 1),
        execution_options={"synchronize_session": False},
    )
    cut(session, feed, fresh)
    return True


def forget_digests(session: Session, publication_id: int) -> None:
    """Where days and weeks begin has changed: pages of digest feeds are cut anew. The caller says `touch`."""
    digests = select(Feed.id).where(Feed.publication_id == publication_id, Feed.digest != "")
    session.execute(delete(FeedPage).where(FeedPage.feed_id.in_(digests)), execution_options=_UNSYNCED)
    session.execute(update(Feed).where(Feed.id.in_(digests)).values(uneven=True), execution_options=_UNSYNCED)


def page_count(session: Session, feed: Feed) -> int:
    return session.scalar(select(func.count()).select_from(FeedPage).where(FeedPage.feed_id == feed.id)) or 0


def pages_of(feed: Feed) -> Select[FeedPage]:
    """All pages, the newest first."""
    return (
        select(FeedPage).where(FeedPage.feed_id == feed.id).order_by(FeedPage.upto_at.desc(), FeedPage.upto_id.desc())
    )


def link_to(page: FeedPage | None, mine: Sequence[Entry] = (), cuts: Sequence[Key] = ()) -> Link | None:
    """The page a newest document goes on with: the last of `cuts` that become pages with it, else the newest page as it
    will be once `changed` has seen `mine`."""
    if cuts:
        return Link(cuts[-1].id, 0)
    if page is None:
        return None
    moved = sum(e.published_at is not None and key_of(e) <= bound_of(page) for e in mine)
    return Link(page.upto_id, page.generation + moved)


def address(base_url: str, feed: Feed, link: Link, fmt: str) -> str:
    """`/feeds/<name>/archive/<last entry>-<epoch>.<generation>.<format>`; of a private feed behind a key that its documents
    alone tell, so that a reader who came with a token or a secret address can go on."""
    place = f"key/{key_to(feed)}/{feed.name}" if feed.private else feed.name
    return f"{base_url}/feeds/{place}/archive/{link.upto_id}-{feed.epoch}.{link.generation}.{fmt}"


def key_to(feed: Feed) -> str:
    """The key of a private feed's archive, 32 hex digits; another token, another key."""
    return hmac.new((feed.token_hash or "").encode(), b"archive", "sha256").hexdigest()[:32]


def opens(feed: Feed, key: str) -> bool:
    """Whether an address with this key, or with none, leads to the feed's archive."""
    if not feed.private:
        return not key
    return feed.token_hash is not None and hmac.compare_digest(key_to(feed), key)


def wanted(path: str) -> Wanted | None:
    """What a path asks for, or None where it is no archive's address."""
    found = _ADDRESS.fullmatch(path)
    if found is None:
        return None
    key, name, page, epoch, generation, fmt = found.groups()
    return Wanted(key or "", name, int(page), int(epoch), int(generation), fmt)

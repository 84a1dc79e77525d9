"""What the public can fetch as a document, read from the ledger: each path with a key that changes when its bytes may.

Guarantees: nothing private, embargoed or unpublished is named; a key depends on everything that the document shows, so that
an equal key means equal bytes, and an entry that is published changes the keys of those documents alone that show it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from syndication import __version__
from syndication.feeds import archives
from syndication.feeds.formats import FORMATS
from syndication.feeds.view import feed_page_url, feed_url, page_url, series_url
from syndication.ledger.content import Entry, Feed, FeedPage, Media, MediaUse, Notice, Publication, Series
from syndication.ledger.former import FormerEntry, slugs_of
from syndication.rendering import SHIPPED
from syndication.web.shelf import Document
from syndication.web.shown import A_PAGE, NO_PART
from syndication.wiring import Wiring

SERIES_ADDRESS = "/series/{}/"


class Standing(NamedTuple):
    """`gone`: it is answered with 410. `moved`: it leads (301) to this address. `changed`: when its bytes changed last, where
    the ledger knows."""

    path: str
    key: str
    gone: bool = False
    moved: str = ""
    changed: datetime | None = None


class _Row(NamedTuple):
    """Of an entry, what places it in its series."""

    id: int
    series_id: int
    slug: str
    state: str
    seq: int
    part: int | None
    published_at: datetime


def standing(session: Session, wiring: Wiring, feeds: Mapping[str, Document]) -> list[Standing]:
    """All of it, in the order in which it should be written: what is taken back first, then what others link to before what
    links to it. `feeds` are those of `web.shelf`."""
    publication = session.scalars(select(Publication)).one()
    series = session.scalars(select(Series).order_by(Series.id)).all()
    frame = _frame(session, wiring, publication, series)
    entries = _entries(session)
    return [
        *(Standing(p, _hash(frame, seq), gone=True) for p, seq in _taken_back(entries, series)),
        *(Standing(path, f"ended {instead}", gone=True) for path, instead in _ended(session)),
        *(Standing(old, now, moved=now) for old, now in _moved(session, entries, series, wiring.base_url)),
        *_files(wiring),
        *(Standing(f"/media/{sha}.{ext}", sha) for sha, ext in _media(session)),
        *(Standing(path, frame) for path in _archives(session)),
        *_entry_pages(entries, series, frame),
        *(Standing(path, document.etag, changed=document.last_modified) for path, document in feeds.items()),
        *_feed_pages(feeds, frame),
        *_series_pages(entries, series, frame),
        Standing("/robots.txt", frame),
        Standing("/", _hash(frame, publication.seq)),
    ]


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def _frame(session: Session, wiring: Wiring, publication: Publication, series: Sequence[Series]) -> str:
    """What every page depends on: names, notices, settings, templates, this program."""
    moving = {"seq", "last_updated"}
    notices = session.execute(select(Notice.id, Notice.language, Notice.version).order_by(Notice.id)).all()
    places = [SHIPPED / "web", *([wiring.settings.templates_dir / "web"] if wiring.settings.templates_dir else [])]
    return _hash(
        __version__,
        wiring.base_url,
        wiring.settings.shows_workbench,
        _columns(publication, moving),
        [_columns(one) for one in series],
        [tuple(row) for row in notices],
        [(str(f), f.stat().st_mtime_ns, f.stat().st_size) for place in places for f in sorted(place.rglob("*.html"))],
    )


def _columns(row: Any, but: Collection[str] = ()) -> list[tuple[str, object]]:
    return [(c.key, getattr(row, c.key)) for c in inspect(type(row)).column_attrs if c.key not in but]


def _entries(session: Session) -> dict[int, list[_Row]]:
    """Series → its published and withdrawn entries."""
    columns = (Entry.id, Entry.series_id, Entry.slug, Entry.state, Entry.seq, Entry.part, Entry.published_at)
    found = session.execute(
        select(*columns).where(Entry.state.in_(("published", "withdrawn"))).order_by(Entry.series_id)
    )
    rows = (_Row(*row) for row in found if row.published_at is not None)  # type: ignore[arg-type]  # mypy does not see the condition
    return {number: list(mine) for number, mine in groupby(rows, lambda row: row.series_id)}


def _taken_back(entries: Mapping[int, Sequence[_Row]], series: Sequence[Series]) -> Iterator[tuple[str, int]]:
    for one in series:
        for row in entries.get(one.id, ()):
            if row.state == "withdrawn":
                yield f"/series/{one.slug}/{row.slug}/", row.seq


def _ended(session: Session) -> list[tuple[str, str]]:
    """(path, the feed to follow instead)."""
    found = session.execute(
        select(Feed.name, Feed.moved_to).where(Feed.gone, Feed.private.is_(False)).order_by(Feed.name)
    )
    return [(f"/feeds/{name}.{fmt}", instead) for name, instead in found for fmt in FORMATS]


def moved_patterns(session: Session) -> list[tuple[str, str]]:
    """What `_moved` names, as few patterns of paths for nginx → paths in its words; entries before the series they lie in."""
    series = session.scalars(select(Series).order_by(Series.id)).all()
    had = session.execute(
        select(FormerEntry.series_id, FormerEntry.slug, Entry.slug.label("now"))
        .join(Entry, Entry.id == FormerEntry.entry_id)
        .order_by(FormerEntry.id)
    ).all()
    found: list[tuple[str, str]] = []
    for one in series:
        former = slugs_of(session, one)
        for slug in (one.slug, *former):
            mine = [(row.slug, row.now) for row in had if row.series_id == one.id]
            found += [(page_url("", slug, was), page_url("", one.slug, now)) for was, now in mine]
        for slug in former:
            found.append((f"/series/{slug}/(?<syndication_rest>.*)", f"/series/{one.slug}/$syndication_rest"))
            kinds = "|".join((*(rf"\.{fmt}" for fmt in FORMATS), "/"))
            found.append((f"/feeds/{slug}(?<syndication_rest>{kinds})", f"/feeds/{one.slug}$syndication_rest"))
    return found


def _moved(
    session: Session, entries: Mapping[int, Sequence[_Row]], series: Sequence[Series], base_url: str
) -> Iterator[tuple[str, str]]:
    """Old path → present address, of series and entries that have other slugs now."""
    slugs: dict[int, list[str]] = {one.id: [one.slug, *slugs_of(session, one)] for one in series}
    had: dict[int, list[tuple[str, int]]] = {}
    for row in session.scalars(select(FormerEntry).order_by(FormerEntry.id)):
        had.setdefault(row.series_id, []).append((row.slug, row.entry_id))
    for one in series:
        now = {row.id: row.slug for row in entries.get(one.id, ())}
        for slug in slugs[one.id]:
            if slug != one.slug:
                yield SERIES_ADDRESS.format(slug), series_url(base_url, one.slug)
                yield f"/feeds/{slug}/", feed_page_url(base_url, one.slug)
                yield from ((f"/feeds/{slug}.{fmt}", feed_url(base_url, one.slug, fmt)) for fmt in FORMATS)
                yield from ((page_url("", slug, name), page_url(base_url, one.slug, name)) for name in now.values())
            for name, entry_id in had.get(one.id, ()):
                yield page_url("", slug, name), page_url(base_url, one.slug, now[entry_id])


def _files(wiring: Wiring) -> list[Standing]:
    """Style sheets and scripts; a publisher's own override ours."""
    shipped = SHIPPED / "web" / "static"
    places = [shipped, *([wiring.settings.templates_dir / "web" / "static"] if wiring.settings.templates_dir else [])]
    found: dict[str, Path] = {}
    for place in places:
        found |= {f.relative_to(place).as_posix(): f for f in sorted(place.rglob("*")) if f.is_file()}
    return [Standing(f"/static/{name}", _hash(f.stat().st_mtime_ns, f.stat().st_size)) for name, f in found.items()]


def _media(session: Session) -> list[tuple[str, str]]:
    query = (
        select(Media.sha256, Media.ext)
        .join(MediaUse, MediaUse.sha256 == Media.sha256)
        .join(Entry, Entry.revision_id == MediaUse.revision_id)
        .where(Entry.state == "published")
        .distinct()
        .order_by(Media.sha256)
    )
    return [(sha, ext) for sha, ext in session.execute(query)]


def _archives(session: Session) -> Iterator[str]:
    """Every page of every public archive, the oldest first; an address says all that its bytes depend on."""
    feeds = session.scalars(select(Feed).where(Feed.private.is_(False), Feed.gone.is_(False)).order_by(Feed.id))
    for feed in feeds.all():
        pages = session.execute(
            select(FeedPage.upto_id, FeedPage.generation)
            .where(FeedPage.feed_id == feed.id)
            .order_by(FeedPage.upto_at, FeedPage.upto_id)
        )
        for upto_id, generation in pages:
            for fmt in FORMATS:
                yield archives.address("", feed, archives.Link(upto_id, generation), fmt)


def _feed_pages(feeds: Mapping[str, Document], frame: str) -> Iterator[Standing]:
    """A feed's page shows what the feed does. The list of them puts feeds together: it needs the service."""
    for path, document in feeds.items():
        if path.endswith(".atom"):
            yield Standing(f"{path.removesuffix('.atom')}/", _hash(frame, document.etag))


def _entry_pages(entries: Mapping[int, Sequence[_Row]], series: Sequence[Series], frame: str) -> Iterator[Standing]:
    """An entry's page shows the entry, its place in the series, and its neighbours."""
    for one in series:
        rows = [row for row in entries.get(one.id, ()) if row.state == "published"]
        rows.sort(key=lambda row: (*_part(one, row), row.published_at, row.id))
        for n, row in enumerate(rows):
            near = [(r.id, r.seq) for r in rows[max(0, n - 1) : n + 2]]
            place = 0 if one.order == "part" else n
            yield Standing(f"/series/{one.slug}/{row.slug}/", _hash(frame, row.id, place, near))


def _series_pages(entries: Mapping[int, Sequence[_Row]], series: Sequence[Series], frame: str) -> Iterator[Standing]:
    """As `shown.series` orders and cuts them."""
    for one in series:
        rows = [row for row in entries.get(one.id, ()) if row.state == "published"]
        rows.sort(key=lambda row: (*_part(one, row), row.published_at, row.id), reverse=one.order != "part")
        address = SERIES_ADDRESS.format(one.slug)
        for number in range(1, max(1, -(-len(rows) // A_PAGE)) + 1):
            here = [(row.id, row.seq) for row in rows[(number - 1) * A_PAGE : number * A_PAGE]]
            total = len(rows) if one.order != "part" else -(-len(rows) // A_PAGE)
            yield Standing(address if number == 1 else f"{address}page/{number}/", _hash(frame, number, total, here))


def _part(series: Series, row: _Row) -> tuple[int, ...]:
    if series.order != "part":
        return ()
    return (NO_PART if row.part is None else row.part,)

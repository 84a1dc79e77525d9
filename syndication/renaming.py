"""Give a series or a published entry another slug.

Guarantees: ids stay and no date moves, so nothing comes back as new; the old address belongs to the same thing for ever and
leads to the present one, for pages, feeds, archives and feeds that readers put together; whoever follows it, by mail, by the
hub or as a partner, goes on getting it. Partners get the entries once more, with their new addresses.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from syndication.errors import BadInput, Conflict
from syndication.feeds import archives, naming
from syndication.feeds.scope import touched
from syndication.ledger import former
from syndication.ledger.content import Entry, Feed, FeedMark, Mark, Publication, Series
from syndication.ledger.db import ring_after_commit
from syndication.ledger.former import FormerEntry, FormerSeries
from syndication.press import take_numbers, touch

_UNSYNCED = {"synchronize_session": False}


def rename_series(session: Session, series: Series, slug: str, *, where: str = "") -> None:
    """Raises BadInput for a slug that cannot be one, Conflict where it is, or was, another's."""
    if slug == series.slug:
        return
    _check(slug, where)
    take_numbers(session, series.publication_id, 0)  # the row: nobody publishes beside it
    _free_for(session, series, slug, where)
    was, series.slug = series.slug, slug
    session.add(FormerSeries(publication_id=series.publication_id, series_id=series.id, slug=was))
    session.flush()
    _rename_marks(session, series.publication_id, f"series:{was}", f"series:{slug}")
    for feed in session.scalars(select(Feed).where(Feed.publication_id == series.publication_id)):
        feed.name = _renamed(feed.name, was, slug)
        feed.moved_to = _renamed(feed.moved_to, was, slug)
    session.flush()
    _tell_partners(session, series)
    touch(session, series.publication_id)


def had_before(session: Session, series: Series, slug: str, *, where: str = "") -> None:
    """The series had this slug before this ledger: its addresses lead to the series. Raises as `rename_series`."""
    if slug == series.slug or former.series_at(session, slug) is series:
        return
    _check(slug, where)
    _free_for(session, series, slug, where)
    session.add(FormerSeries(publication_id=series.publication_id, series_id=series.id, slug=slug))
    session.flush()


def rename_entry(session: Session, entry: Entry, slug: str, *, where: str = "") -> None:
    """Raises BadInput for a slug that cannot be one, Conflict where it is, or was, another's, or nothing was published yet."""
    if slug == entry.slug:
        return
    if not slug or naming.slugified(slug) != slug:
        raise BadInput(
            f"{slug[:120]!r} cannot be the slug of an entry;",
            where=where,
            remedy=f"use small letters, digits and hyphens: {naming.slugified(slug) or 'the-ferry'}.",
        )
    if entry.state not in ("published", "withdrawn"):
        raise Conflict(f"entry {entry.slug} is {entry.state};", where=where, remedy="its document says its slug.")
    seq = take_numbers(session, entry.publication_id, 1)
    taken = select(Entry.id).where(Entry.series_id == entry.series_id, Entry.slug == slug)
    had = session.scalars(
        select(FormerEntry).where(FormerEntry.series_id == entry.series_id, FormerEntry.slug == slug)
    ).first()
    if session.scalars(taken).first() is not None or (had is not None and had.entry_id != entry.id):
        raise Conflict(
            f"{entry.series.slug}/{slug} is, or was, another entry's address;", where=where, remedy="choose another."
        )
    if had is not None:
        session.delete(had)
        session.flush()
    session.add(FormerEntry(series_id=entry.series_id, entry_id=entry.id, slug=entry.slug))
    entry.slug, entry.seq = slug, seq
    session.flush()
    found = touched(session, session.get_one(Publication, entry.publication_id), [entry])
    archives.changed(session, found, [entry])
    for feed in found[entry.id]:
        feed.wanted_seq = seq
    ring_after_commit(session, "publish.render_owed")


def _check(slug: str, where: str) -> None:
    if not naming.is_name(slug):
        raise BadInput(
            f"{slug[:120]!r} cannot be the slug of a series;",
            where=where,
            remedy="use small letters, digits and hyphens, and not all, by, on, in, private or scope-….",
        )


def _free_for(session: Session, series: Series, slug: str, where: str) -> None:
    """Takes the slug back where the series itself had it."""
    had = session.scalars(
        select(FormerSeries).where(FormerSeries.publication_id == series.publication_id, FormerSeries.slug == slug)
    ).first()
    taken = select(Series.id).where(Series.publication_id == series.publication_id, Series.slug == slug)
    if session.scalars(taken).first() is not None or (had is not None and had.series_id != series.id):
        raise Conflict(f"{slug!r} is, or was, another series;", where=where, remedy="choose another slug.")
    if session.scalars(select(Feed.id).where(Feed.name == slug)).first() is not None:
        raise Conflict(f"there is a feed {slug!r};", where=where, remedy="choose another slug.")
    if had is not None:
        session.delete(had)


def _rename_marks(session: Session, publication_id: int, was: str, now: str) -> None:
    session.execute(update(Mark).where(Mark.key == was).values(key=now), execution_options=_UNSYNCED)
    session.execute(update(FeedMark).where(FeedMark.key == was).values(key=now), execution_options=_UNSYNCED)
    for feed in session.scalars(select(Feed).where(Feed.publication_id == publication_id)):
        if any(was in group for group in feed.wants):
            feed.wants = [sorted(now if one == was else one for one in group) for group in feed.wants]


def _renamed(name: str, was: str, now: str) -> str:
    """A name that would be too long for an address stays, and is served on."""
    known = naming.parsed(name)
    if known is None or was not in known.parts:
        return name
    wanted = str(naming.with_slugs(known, {was: now}))
    return wanted if len(wanted) <= naming.LONGEST else name


def _tell_partners(session: Session, series: Series) -> None:
    """A next number for each entry that partners may have, in the order of those that they had."""
    ids = list(session.scalars(select(Entry.id).where(Entry.series_id == series.id, Entry.seq > 0).order_by(Entry.seq)))
    if ids:
        first = take_numbers(session, series.publication_id, len(ids)) - len(ids) + 1
        session.execute(update(Entry), [{"id": one, "seq": first + n} for n, one in enumerate(ids)])

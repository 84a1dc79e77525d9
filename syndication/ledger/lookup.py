"""Find what a person named: the publication, a series, an entry. Errors list near names."""

from __future__ import annotations

from difflib import get_close_matches

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.content import EntryContent
from syndication.errors import NotFound
from syndication.ledger import former
from syndication.ledger.content import Draft, Entry, Publication, Revision, Series


def the_publication(session: Session) -> Publication:
    """The ledger's publication. NotFound while nothing was imported."""
    publication = session.scalars(select(Publication).limit(1)).first()
    if publication is None:
        raise NotFound(
            "the ledger has no publication yet;", remedy="run `syndicate import` on a tree with publication.toml."
        )
    return publication


def series_named(session: Session, slug: str) -> Series:
    """By its slug, or one that it had."""
    series = former.series_at(session, slug)
    if series is None:
        raise NotFound(f"there is no series {slug!r};", remedy=_near(slug, session.scalars(select(Series.slug)).all()))
    return series


def entry_named(session: Session, ref: str) -> Entry:
    """An entry by id, `series/slug` (also as it was before), a slug that is unique, or its tag URI."""
    query = select(Entry).join(Series, Entry.series_id == Series.id)
    if ref.isdigit():
        query = query.where(Entry.id == int(ref))
    elif ref.startswith("tag:"):
        query = query.where(Entry.tag_uri == ref)
    elif "/" in ref:
        series, _, slug = ref.strip("/").rpartition("/")
        owner = former.series_at(session, series.rpartition("/")[2])
        found_at = former.entry_at(session, owner.id, slug) if owner is not None else None
        query = query.where(Entry.id == (found_at.id if found_at is not None else None))
    else:
        query = query.where(Entry.slug == ref)
    found = session.scalars(query.limit(2)).all()
    if len(found) == 1:
        return found[0]
    names = [f"{e.series.slug}/{e.slug}" for e in found] or [
        f"{series}/{slug}"
        for series, slug in session.execute(select(Series.slug, Entry.slug).join(Series).limit(5_000))
    ]
    if found:
        raise NotFound(f"{ref!r} names two entries;", remedy=f"say which: {' or '.join(names)}.")
    raise NotFound(f"there is no entry {ref!r};", remedy=_near(ref, names))


def content_of(holder: Draft | Revision) -> EntryContent:
    return EntryContent.model_validate(holder.content)


def _near(name: str, names: list[str] | tuple[str, ...] | object) -> str:
    known = [str(n) for n in names] if isinstance(names, list | tuple) else []
    holds = [n for n in known if name.strip("/") in n] if name.strip("/") else []
    typed = {n if "/" in name else n.rpartition("/")[2]: n for n in known}
    near = holds[:5] or [typed[t] for t in get_close_matches(name, typed, n=3, cutoff=0.5)] or known[:5]
    return f"did you mean {', '.join(near)}?" if near else "import something first."

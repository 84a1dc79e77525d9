"""Feeds that a publisher names, and their ends.

Guarantees: a name means one thing (a feed never takes a series' name, nor the other way round); a private feed's token is shown
once and stored as a hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import BadInput, Conflict, NotFound
from syndication.feeds import naming, scope
from syndication.ledger.content import Feed, FeedPage, Publication, Series
from syndication.ledger.db import Database, ring_after_commit
from syndication.ledger.former import FormerSeries, present_slugs
from syndication.ledger.lookup import the_publication
from syndication.press import take_numbers
from syndication.tokens import new_secret, secret_hash

MOST = 200  # entries of a feed
_UNSYNCED = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a publisher says of a named feed. Of each list an entry has to have one; an empty list asks for nothing."""

    name: str
    title: str
    description: str = ""
    series: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    full: bool = True
    newest: int | None = None
    order: str = "date"
    private: bool = False

    def wants(self) -> list[list[str]]:
        kinds = (
            ("series", self.series),
            ("author", self.authors),
            ("topic", self.topics),
            ("language", self.languages),
        )
        return [sorted({naming.mark(kind, one) for one in said}) for kind, said in kinds if said]


def define(session: Session, publication: Publication, said: Definition, *, where: str = "") -> Feed:
    """The named feed, made or changed. A changed scope gives its archive new addresses.

    Raises BadInput, or Conflict where the name belongs to something else.
    """
    _check(session, said, where)
    slugs = present_slugs(session)
    said = replace(said, series=tuple(slugs.get(one, one) for one in said.series))
    feed = session.scalars(select(Feed).where(Feed.publication_id == publication.id, Feed.name == said.name)).first()
    if feed is not None and feed.kind != "named":
        raise Conflict(f"{said.name!r} is the feed of a series;", where=where, remedy="choose another name.")
    fresh = feed is None
    if feed is None:
        feed = Feed(
            publication_id=publication.id, name=said.name, kind="named", series_ids=[], wanted_seq=publication.seq
        )
        session.add(feed)
    before = None if fresh else _facts(feed)
    feed.wants, feed.title, feed.description = said.wants(), said.title, said.description
    feed.full, feed.newest, feed.order, feed.private, feed.gone = (
        said.full,
        said.newest,
        said.order,
        said.private,
        False,
    )
    session.flush()
    if before != _facts(feed):
        scope.index(session, feed)
        _anew(session, publication, feed)
    return feed


def _facts(feed: Feed) -> tuple[object, ...]:
    return feed.wants, feed.title, feed.description, feed.full, feed.newest, feed.order, feed.private, feed.gone


def _check(session: Session, said: Definition, where: str) -> None:
    if not naming.is_name(said.name):
        raise BadInput(
            f"{said.name[:120]!r} cannot be the name of a feed;",
            where=where,
            remedy="use small letters, digits and hyphens, and not all, by, on, in, private or scope-….",
        )
    had = select(FormerSeries.series_id).where(FormerSeries.slug == said.name)
    if session.scalars(select(Series.id).where(Series.slug == said.name).union(had)).first() is not None:
        raise Conflict(
            f"there is a series {said.name!r}, or was, and its feed has that name;",
            where=where,
            remedy="choose another name.",
        )
    if not said.title.strip():
        raise BadInput(f"the feed {said.name} has no title;", where=where, remedy="give it one.")
    if said.order not in ("date", "part"):
        raise BadInput(f"the order of {said.name} is {said.order!r};", where=where, remedy="say date or part.")
    if said.newest is not None and not 1 <= said.newest <= MOST:
        raise BadInput(
            f"the feed {said.name} cannot show {said.newest} entries;",
            where=where,
            remedy=f"say 1 to {MOST}, or nothing.",
        )
    for group in (said.series, said.authors, said.topics, said.languages):
        for one in group:
            if not naming.slugified(one):
                raise BadInput(
                    f"{one!r} of {said.name} means nothing;", where=where, remedy="write a name, or leave it out."
                )


def known_series(session: Session, slugs: Sequence[str], where: str = "") -> None:
    """Raises NotFound for one that is not there."""
    known = [*session.scalars(select(Series.slug)), *present_slugs(session)]
    for slug in slugs:
        if slug not in known:
            near = get_close_matches(slug, known, n=3) or sorted(known)[:5]
            raise NotFound(
                f"there is no series {slug!r};", where=where, remedy=f"there are: {', '.join(near) or 'none yet'}."
            )


def feed_named(session: Session, name: str) -> Feed:
    """By name. NotFound lists near names."""
    found = session.scalars(select(Feed).where(Feed.name == name, Feed.kind != "scope")).first()
    if found is None:
        known = list(session.scalars(select(Feed.name).where(Feed.kind != "scope").order_by(Feed.name).limit(5_000)))
        near = get_close_matches(name, known, n=3, cutoff=0.5) or known[:5]
        raise NotFound(f"there is no feed {name!r};", remedy=f"there are: {', '.join(near) or 'none yet'}.")
    return found


def new_token(session: Session, feed: Feed) -> str:
    """A private feed's token, in the place of an older one; its archive moves with it. It cannot be shown again."""
    if not feed.private:
        raise Conflict(f"the feed {feed.name} is public;", remedy="make it private first, or give its address away.")
    token = new_secret()
    feed.token_hash = secret_hash(token)
    feed.wanted_seq = take_numbers(session, feed.publication_id, 1)
    ring_after_commit(session, "publish.render_owed")
    return token


def by_token(session: Session, tokens: Sequence[str]) -> Feed | None:
    """The private feed that one of these opens."""
    digests = [secret_hash(token) for token in tokens if token]
    return session.scalars(select(Feed).where(Feed.token_hash.in_(digests), Feed.private)).first() if digests else None


def end(session: Session, feed: Feed, moved_to: Feed | None = None) -> None:
    """Its addresses answer 410 from now on, or lead to another feed (301), and machines that follow it are told. A named one
    may be defined again."""
    if feed.kind == "all":
        raise Conflict("the feed of everything cannot end;", remedy="end the service, or a single feed.")
    if moved_to is not None and (moved_to.gone or moved_to.private or moved_to.id == feed.id):
        raise Conflict(
            f"{moved_to.name} has ended, or is private, or the same;", remedy="name a public feed to follow instead."
        )
    feed.gone, feed.due_at, feed.moved_to = True, None, moved_to.name if moved_to is not None else ""
    feed.rendered_seq += 1  # so that every web process looks
    feed.wanted_seq = max(feed.wanted_seq, feed.rendered_seq)
    ring_after_commit(session, "push.send")


def moved_to(db: Database, name: str) -> str:
    """The name of the feed to follow in place of one that ended; empty where there is none."""
    with db.reading() as session:
        return session.scalar(select(Feed.moved_to).where(Feed.name == name, Feed.gone, Feed.private.is_(False))) or ""


def _anew(session: Session, publication: Publication, feed: Feed) -> None:
    session.execute(delete(FeedPage).where(FeedPage.feed_id == feed.id))
    feed.epoch += 1
    feed.wanted_seq = take_numbers(session, publication.id, 1)
    ring_after_commit(session, "publish.render_owed")


def come_due(db: Database) -> int:
    """Digest feeds of which a day or a week is over become owed; how many."""
    with db.reading() as session:
        ids = list(session.scalars(select(Feed.id).where(*_over())))
    if ids:
        with db.transaction() as session:
            seq = take_numbers(session, the_publication(session).id, 1)
            owed = update(Feed).where(Feed.id.in_(ids)).values(wanted_seq=seq, due_at=None)
            session.execute(owed, execution_options=_UNSYNCED)
    return len(ids)


def anything_due(session: Session) -> bool:
    return session.execute(select(Feed.id).where(*_over()).limit(1)).first() is not None


def _over() -> tuple[ColumnElement[bool], ...]:
    return Feed.due_at <= clock.now(), Feed.gone.is_(False)

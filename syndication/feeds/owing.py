"""Feeds that are behind (`rendered_seq` is less than `wanted_seq`): found, claimed, and rendered by all processes there are.

Guarantees: two processes do not render the same owed feed, for it is claimed by an attempt with a lease; what a process that
died had claimed is free when the lease is over; a feed that cannot be rendered keeps its last good bytes and holds up no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import case, select
from sqlalchemy.orm import Session, undefer

from syndication.errors import SyndicationError
from syndication.feeds.artifacts import Rendering, render, store
from syndication.ledger import attempts
from syndication.ledger.content import Artifact, Feed
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication

log = structlog.get_logger(__name__)

TOGETHER = 4  # feeds that are claimed, rendered and stored at once: they share entries
LEASE = timedelta(seconds=10)


def owed(session: Session, limit: int = 50) -> list[int]:
    """Ids of feeds that are behind and that nobody renders now, without those that failed so often that they wait.

    `all` first, then what changed last: a new entry does not wait for a change that concerns every feed. What single readers
    put together comes last.
    """
    rank = case((Feed.kind == "all", 0), (Feed.kind == "composed", 2), else_=1)
    behind = select(Feed.id).where(Feed.rendered_seq < Feed.wanted_seq, Feed.gone.is_(False))
    query = behind.where(~attempts.waits(session, "feed", Feed.id)).order_by(rank, Feed.wanted_seq.desc(), Feed.id)
    return list(session.scalars(query.limit(limit)))


def render_owed(db: Database, base_url: str, limit: int = 50) -> int:
    """Renders feeds that are behind, `TOGETHER` in a transaction; how many. One that fails is logged and stays owed.

    They are claimed, so that several processes share what is owed; what a process that died had claimed is free after `LEASE`.
    """
    done = begun = 0
    failed: set[int] = set()
    while begun < limit:
        with db.transaction() as session:
            ids = [id_ for id_ in owed(session, TOGETHER + len(failed)) if id_ not in failed][:TOGETHER]
            works = {attempts.named("feed", feed_id): feed_id for feed_id in ids}
            mine = [works[work] for work in attempts.take(session, list(works), LEASE)]
        if not ids:
            break
        begun += len(ids)
        if mine:
            stored, broken = _render_together(db, base_url, mine)
            done += stored
            failed |= broken.keys()
    return done


def render_one(db: Database, base_url: str, feed_id: int) -> None:
    """Renders one feed on a snapshot and stores it, unless a newer rendering is there. Raises SyndicationError."""
    _, broken = _render_together(db, base_url, [feed_id])
    for error in broken.values():
        raise error


def _render_together(db: Database, base_url: str, feed_ids: Sequence[int]) -> tuple[int, dict[int, SyndicationError]]:
    """Renders them on one snapshot and stores them in one transaction, which ends the attempts; how many were stored, and
    why others cannot be rendered."""
    made: dict[int, Rendering] = {}
    broken: dict[int, SyndicationError] = {}
    with db.reading() as session:
        publication = the_publication(session)
        for feed in session.scalars(select(Feed).where(Feed.id.in_(feed_ids))).all():
            try:
                made[feed.id] = render(session, publication, feed, base_url)
            except SyndicationError as error:
                broken[feed.id] = error
    with db.transaction() as session:
        # Who has the row of one and waits for another's might be waited for; what somebody else writes now stays owed.
        mine = (
            select(Feed).where(Feed.id.in_(made)).order_by(Feed.id).options(undefer(Feed.facts), undefer(Feed.history))
        )
        feeds = session.scalars(mine.with_for_update(skip_locked=len(made) > 1, key_share=True)).all()
        before = session.scalars(select(Artifact).where(Artifact.feed_id.in_(made))).all()  # so that `store` finds them
        stored = sum(store(session, feed, made[feed.id], publication.seq) for feed in feeds)
        attempts.finished(session, [attempts.named("feed", feed_id) for feed_id in made])
        for feed_id, why in broken.items():
            log.error("a feed cannot be rendered; it keeps its last good bytes", feed=feed_id, reason=str(why))
            attempts.failed(session, attempts.named("feed", feed_id), str(why))
        del before
    return stored, broken

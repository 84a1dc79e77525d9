"""The feeds there are, as rows for people who run the service."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from syndication.errors import BadInput
from syndication.feeds.describing import address_of, describe
from syndication.ledger.content import Artifact, Feed
from syndication.ledger.lookup import the_publication

KINDS = ("all", "series", "mark", "named", "composed")


@dataclass(frozen=True, slots=True)
class Row:
    """`entries` are those in the newest document, `bytes` its largest format as it is read; `owed`: it is being made."""

    name: str
    kind: str
    title: str
    entries: int
    private: bool
    ended: bool
    owed: bool
    bytes: int
    address: str


def feeds(session: Session, base_url: str, kind: str = "") -> list[Row]:
    """All but partners', by kind and name."""
    if kind and kind not in KINDS:
        raise BadInput(f"{kind!r} is no kind of feed;", where="--kind", remedy=f"say one of {', '.join(KINDS)}.")
    publication = the_publication(session)
    largest = select(Artifact.feed_id, func.max(Artifact.size)).group_by(Artifact.feed_id)
    sizes: dict[int, int] = dict(session.execute(largest).all())
    atom = select(Artifact.feed_id, Artifact.entry_revisions).where(Artifact.format == "atom")
    shown = {feed_id: len(revisions) for feed_id, revisions in session.execute(atom)}
    found = session.scalars(select(Feed).where(Feed.kind == kind if kind else Feed.kind != "scope").order_by(Feed.name))
    rows = [
        Row(
            name=feed.name,
            kind=feed.kind,
            title=describe(session, publication, feed, base_url).title,
            entries=shown.get(feed.id, 0),
            private=feed.private,
            ended=feed.gone,
            owed=feed.rendered_seq < feed.wanted_seq,
            bytes=sizes.get(feed.id, 0),
            address=address_of(feed, base_url, "atom"),
        )
        for feed in found
    ]
    return sorted(rows, key=lambda row: KINDS.index(row.kind))

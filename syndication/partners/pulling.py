"""What a partner pulls: changes by number, one entry, and the account of each pull.

Guarantees: numbers are taken under the publication's row and commit in order, so a cursor that stands at N has seen every
change up to N: each change once, in order, none lost while entries are published; withdrawals are changes. An entry of
another partner's series, or one never published, does not exist here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.ledger.content import Entry
from syndication.ledger.tables import Partner, Pull


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of entries as they stand, in the order of their last change; `cursor` is where the next page begins."""

    entries: tuple[Entry, ...]
    cursor: int
    more: bool


def changes(session: Session, partner: Partner, cursor: int, limit: int, series_id: int | None = None) -> Changes:
    """What changed after `cursor` in the partner's scope, at most `limit` entries."""
    narrower = [Entry.series_id == series_id] if series_id is not None else []
    query = select(Entry).where(*_scope(partner), *narrower, Entry.seq > cursor).order_by(Entry.seq).limit(limit + 1)
    found = session.scalars(query).unique().all()
    page = tuple(found[:limit])
    return Changes(page, page[-1].seq if page else cursor, len(found) > limit)


def visible_entry(session: Session, partner: Partner, ref: str) -> Entry | None:
    """An entry of the partner's scope by number or `tag:` URI, published or withdrawn."""
    number = int(ref) if ref.isascii() and ref.isdigit() and len(ref) < 18 else -1
    query = select(Entry).where(*_scope(partner), or_(Entry.id == number, Entry.tag_uri == ref))
    return session.scalars(query).unique().first()


def record_pull(session: Session, partner_id: int, what: str, status: int, size: int, revisions: Sequence[int]) -> None:
    """`size` in bytes of the body; `revisions` are the ids of the texts it carried."""
    pull = Pull(partner_id=partner_id, at=clock.now(), what=what, status=status, bytes=size, revisions=list(revisions))
    session.add(pull)


def _scope(partner: Partner) -> list[ColumnElement[bool]]:
    mine = [
        Entry.publication_id == partner.publication_id,
        Entry.state.in_(("published", "withdrawn")),
        Entry.seq > 0,
    ]
    if partner.series_ids:
        mine.append(Entry.series_id.in_(partner.series_ids))
    return mine

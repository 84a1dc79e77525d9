"""What a partner pulls: a page of changes, one entry.

Guarantees: numbers are taken under the publication's row and commit in order, so a cursor that stands at N has seen every
change up to N: each change once, in order, none lost while entries are published; withdrawals are changes. An entry of
another partner's series, or one never published, does not exist here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from syndication.errors import BadInput, NotFound
from syndication.ledger.content import Entry, Publication
from syndication.ledger.lookup import series_named
from syndication.ledger.tables import Partner
from syndication.partners.records import Scribe

PAGE_BYTES = 2_000_000  # a page ends after the entry that reaches this


@dataclass(frozen=True, slots=True)
class Carried:
    """JSON as it goes out, with the ids of the texts in it. `entries`: how many, withdrawn ones too."""

    body: bytes
    revisions: list[int]
    entries: int
    withdrawn: bool = False  # of one entry


def changes(
    session: Session, partner: Partner, base_url: str, cursor: int = 0, limit: int = 50, series: str = ""
) -> Carried:
    """A `ChangesPage` of what changed after `cursor` in the partner's scope (narrowed to one `series`, by slug).

    Raises NotFound for a series that is none of theirs, BadInput for a cursor that was never given out.
    """
    newest = session.get_one(Publication, partner.publication_id).seq
    if cursor > newest:
        raise BadInput(
            "this cursor lies ahead of everything published (the publisher may have gone back to a backup);",
            remedy="begin again with cursor=0; every `id` and `revision` is as before.",
        )
    query = select(Entry).where(*_scope(partner), Entry.seq > cursor).order_by(Entry.seq).limit(limit + 1)
    if series:
        query = query.where(Entry.series_id == _own_series(session, partner, series))
    found = session.scalars(query).all()
    scribe = Scribe(session, partner, base_url)
    written: list[bytes] = []
    size = 0
    for entry in found[:limit]:
        if size >= PAGE_BYTES:
            break
        written.append(scribe.write(entry))
        size += len(written[-1])
    page = found[: len(written)]
    more = b"true" if len(found) > len(page) else b"false"
    after = str(page[-1].seq if page else cursor).encode()
    body = b'{"entries":[' + b",".join(written) + b'],"next_cursor":"' + after + b'","more":' + more + b"}"
    return Carried(body, [e.revision_id for e in page if e.state == "published" and e.revision_id], len(page))


def one_entry(session: Session, partner: Partner, base_url: str, ref: str) -> Carried:
    """An `EntryRecord` by number or `tag:` URI, published or withdrawn. Raises NotFound outside the partner's scope."""
    number = int(ref) if ref.isascii() and ref.isdigit() and len(ref) < 18 else -1
    query = select(Entry).where(*_scope(partner), or_(Entry.id == number, Entry.tag_uri == _text(ref)))
    entry = session.scalars(query).first()
    if entry is None:
        raise NotFound("there is no such entry in your series;", remedy="see /partners/v1/entries.")
    withdrawn = entry.state == "withdrawn"
    body = Scribe(session, partner, base_url).write(entry)
    return Carried(body, [] if withdrawn or entry.revision_id is None else [entry.revision_id], 1, withdrawn)


def _own_series(session: Session, partner: Partner, slug: str) -> int:
    """Another's series and one that does not exist are told apart by nothing."""
    refused = NotFound("this is none of your series;", remedy="leave `series` out to see which you have.")
    try:
        found = series_named(session, _text(slug)).id
    except NotFound:
        raise refused from None
    if partner.series_ids and found not in partner.series_ids:
        raise refused
    return found


def _scope(partner: Partner) -> list[ColumnElement[bool]]:
    mine = [
        Entry.publication_id == partner.publication_id,
        Entry.state.in_(("published", "withdrawn")),
        Entry.seq > 0,
    ]
    if partner.series_ids:
        mine.append(Entry.series_id.in_(partner.series_ids))
    return mine


def _text(asked: str) -> str:
    """PostgreSQL has no place for a zero byte and says so by an error; with the mark instead, it is simply not found."""
    return asked.replace("\0", "\ufffd")

"""What the sent deliveries of finished issues become: bundles, ten thousand a row, packed; and the numbers that stay for ever.

Guarantees: a delivery is a row or stands in one bundle, never both, at every moment (each bundle is one transaction); so
the equation of guarantee 3 adds rows, bundles and `issue.tally`. Whoever asks who got what asks here too. Deliveries that
ended otherwise (failed, unknown, suppressed, cancelled) stay rows, with the relay's words, until the retention date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import NamedTuple

import brotli
import orjson
from sqlalchemy import ForeignKey, Index, LargeBinary, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from syndication.ledger.base import Base, BigId
from syndication.ledger.mailings import Delivery, Edition

SIZE = 10_000  # deliveries of a bundle: what one look-up unpacks, and what one transaction moves
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _SECOND = timedelta(microseconds=1), timedelta(seconds=1)


class Bundle(Base):
    """Sent deliveries of one issue, ordered by id; `data` is `pack`'s. The ranges say where to look for somebody."""

    __tablename__ = "bundle"
    __table_args__ = (
        Index("ix_bundle_issue", "issue_id", "first_subscriber"),
        Index("ix_bundle_first", "first_delivery"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"))
    first_delivery: Mapped[int] = mapped_column(BigId)
    last_delivery: Mapped[int] = mapped_column(BigId)
    first_subscriber: Mapped[int] = mapped_column(BigId)
    last_subscriber: Mapped[int] = mapped_column(BigId)
    count: Mapped[int] = mapped_column("deliveries")
    data: Mapped[bytes] = mapped_column(LargeBinary)


class IssueEntry(Base):
    """A bundled issue carried this entry to somebody. Stands in for the rows of its editions."""

    __tablename__ = "issue_entry"

    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), primary_key=True)
    issue_id: Mapped[int] = mapped_column(ForeignKey("issue.id"), primary_key=True, index=True)


class PastEdition(NamedTuple):
    """What an edition pinned. `entries`: (entry id, revision id) in reading order."""

    id: int
    language: str
    notice_id: int
    entries: tuple[tuple[int, int], ...]


class PastDelivery(NamedTuple):
    """A sent delivery as it was, `sent_at` to the second. `subscriber_id` 0: the person was erased before."""

    id: int
    subscriber_id: int
    edition_id: int
    attempts: int
    created_at: datetime
    sent_at: datetime


class Found(NamedTuple):
    """A past delivery with its edition and issue."""

    delivery: PastDelivery
    edition: PastEdition
    issue_id: int

    def as_delivery(self) -> Delivery:
        """The delivery as its row was, in no session; the relay's words are not kept."""
        return Delivery(
            id=self.delivery.id, issue_id=self.issue_id, edition_id=self.edition.id,
            subscriber_id=self.delivery.subscriber_id or None, kind="digest", priority=1, state="sent",
            attempts=self.delivery.attempts, due_at=self.delivery.created_at, reply="", sent_at=self.delivery.sent_at,
            created_at=self.delivery.created_at,
        )  # fmt: skip

    def as_edition(self) -> Edition:
        """The edition as its row was, in no session."""
        return Edition(
            id=self.edition.id,
            issue_id=self.issue_id,
            language=self.edition.language,
            notice_id=self.edition.notice_id,
            revisions=[revision for _, revision in self.edition.entries],
        )


def pack(deliveries: Sequence[PastDelivery], editions: Mapping[int, PastEdition]) -> bytes:
    """Columns as differences, compressed: about five bytes a delivery. `deliveries` are ordered by id."""
    used = sorted({d.edition_id for d in deliveries})
    place = {id_: n for n, id_ in enumerate(used)}
    made = sorted({d.created_at for d in deliveries})
    columns = {
        "id": _differences(d.id for d in deliveries),
        "subscriber": _differences(d.subscriber_id for d in deliveries),
        "edition": [place[d.edition_id] for d in deliveries],
        "attempts": [d.attempts for d in deliveries],
        "created": [made.index(d.created_at) for d in deliveries],
        "sent": _differences((d.sent_at - _EPOCH) // _SECOND for d in deliveries),
        "moments": [(moment - _EPOCH) // _MICROSECOND for moment in made],
        "editions": [tuple(editions[id_]) for id_ in used],
    }
    packed: bytes = brotli.compress(orjson.dumps(columns), quality=5)
    return packed


def unpack(data: bytes) -> tuple[list[PastDelivery], dict[int, PastEdition]]:
    """The deliveries in order of id, and their editions by id."""
    columns = orjson.loads(brotli.decompress(data))
    editions = [
        PastEdition(id_, language, notice, tuple((entry, revision) for entry, revision in entries))
        for id_, language, notice, entries in columns["editions"]
    ]
    moments = [_EPOCH + micros * _MICROSECOND for micros in columns["moments"]]
    rows = zip(
        accumulate(columns["id"]),
        accumulate(columns["subscriber"]),
        columns["edition"],
        columns["attempts"],
        columns["created"],
        accumulate(columns["sent"]),
        strict=True,
    )
    deliveries = [
        PastDelivery(id_, person, editions[place].id, tries, moments[made], _EPOCH + timedelta(seconds=sent))
        for id_, person, place, tries, made, sent in rows
    ]
    return deliveries, {edition.id: edition for edition in editions}


def find(session: Session, delivery_id: int) -> Found | None:
    """A delivery that stands in a bundle."""
    query = (
        select(Bundle)
        .where(Bundle.first_delivery <= delivery_id, Bundle.last_delivery >= delivery_id)
        .order_by(Bundle.first_delivery.desc())
    )
    for bundle in session.scalars(query):  # ranges overlap only where issues were frozen side by side
        deliveries, editions = unpack(bundle.data)
        for delivery in deliveries:
            if delivery.id == delivery_id:
                return Found(delivery, editions[delivery.edition_id], bundle.issue_id)
    return None


def got(session: Session, entry_ids: Sequence[int], first: int, last: int) -> Iterator[tuple[int, Found]]:
    """(entry, delivery) for everybody with `first ≤ subscriber ≤ last` whose bundled mail carried one of the entries."""
    if not entry_ids:
        return
    query = (
        select(Bundle)
        .where(
            Bundle.issue_id.in_(select(IssueEntry.issue_id).where(IssueEntry.entry_id.in_(entry_ids))),
            Bundle.first_subscriber <= last,
            Bundle.last_subscriber >= first,
        )
        .order_by(Bundle.id)
    )
    wanted = set(entry_ids)
    for bundle in session.scalars(query):
        deliveries, editions = unpack(bundle.data)
        carried = {e.id: [entry for entry, _ in e.entries if entry in wanted] for e in editions.values()}
        for delivery in deliveries:
            if first <= delivery.subscriber_id <= last:
                for entry in carried[delivery.edition_id]:
                    yield entry, Found(delivery, editions[delivery.edition_id], bundle.issue_id)


def of_person(session: Session, subscriber_id: int) -> Iterator[Found]:
    """A person's bundled deliveries, by id; one look into each issue that may have gone to them."""
    theirs = Bundle.first_subscriber <= subscriber_id, Bundle.last_subscriber >= subscriber_id
    for bundle in session.scalars(select(Bundle).where(*theirs).order_by(Bundle.first_delivery)):
        deliveries, editions = unpack(bundle.data)
        for delivery in deliveries:
            if delivery.subscriber_id == subscriber_id:
                yield Found(delivery, editions[delivery.edition_id], bundle.issue_id)


def of_issue(session: Session, issue_id: int) -> Iterator[Found]:
    """The issue's bundled deliveries, the newest first."""
    for bundle in session.scalars(
        select(Bundle).where(Bundle.issue_id == issue_id).order_by(Bundle.first_delivery.desc())
    ):
        deliveries, editions = unpack(bundle.data)
        for delivery in reversed(deliveries):
            yield Found(delivery, editions[delivery.edition_id], issue_id)


def bundled(session: Session, issue_id: int) -> int:
    """How many sent deliveries of the issue stand in bundles."""
    return session.scalar(select(func.sum(Bundle.count)).where(Bundle.issue_id == issue_id)) or 0


def _differences(numbers: Iterable[int]) -> list[int]:
    listed = list(numbers)
    return listed[:1] + [after - before for before, after in pairwise(listed)]

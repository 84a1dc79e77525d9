"""Editions: what everybody with equal windows gets, pinned to revisions and a notice. Made once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication.digests.windows import edition_key, key_hash
from syndication.ledger.tables import Edition, EditionEntry

_AT_A_TIME = 10_000  # parameters of one IN; SQLite takes 32,766


class Pinned(NamedTuple):
    """What an edition fixes. `entries`: (entry id, revision id) in reading order."""

    language: str
    notice_id: int
    entries: tuple[tuple[int, int], ...]

    @property
    def hash(self) -> str:
        return key_hash(edition_key(self.language, self.notice_id, (revision for _, revision in self.entries)))


# One statement for all rows: row by row, these took more than a quarter of a freeze.
_CARRY = text(
    "INSERT INTO edition_entry (edition_id, entry_id, revision_id) SELECT * FROM unnest("
    "CAST(:edition_id AS bigint[]), CAST(:entry_id AS bigint[]), CAST(:revision_id AS bigint[]))"
)


def editions_for(session: Session, issue_id: int, wanted: Sequence[Pinned], now: datetime) -> dict[Pinned, int]:
    """The ids of the issue's editions for `wanted`, made where they are missing. Two callers at once get the same ids."""
    by_hash = {pinned.hash: pinned for pinned in wanted}
    found = _known(session, issue_id, by_hash)
    new = {hash_: pinned for hash_, pinned in by_hash.items() if pinned not in found}
    if new:
        found.update(_make(session, issue_id, new, now))
        overtaken = {hash_: pinned for hash_, pinned in new.items() if pinned not in found}
        found.update(_known(session, issue_id, overtaken))
    return found


def _known(session: Session, issue_id: int, by_hash: dict[str, Pinned]) -> dict[Pinned, int]:
    found: dict[Pinned, int] = {}
    hashes = list(by_hash)
    for start in range(0, len(hashes), _AT_A_TIME):
        query = select(Edition.key_hash, Edition.id).where(
            Edition.issue_id == issue_id, Edition.key_hash.in_(hashes[start : start + _AT_A_TIME])
        )
        found.update({by_hash[hash_]: id_ for hash_, id_ in session.execute(query)})
    return found


def _make(session: Session, issue_id: int, new: dict[str, Pinned], now: datetime) -> dict[Pinned, int]:
    """Those that this call made; one that somebody else made meanwhile is missing."""
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    rows = [
        {
            "issue_id": issue_id,
            "language": pinned.language,
            "notice_id": pinned.notice_id,
            "key_hash": hash_,
            "revisions": [revision for _, revision in pinned.entries],
            "created_at": now,
        }
        for hash_, pinned in new.items()
    ]
    statement = dialect.insert(Edition).on_conflict_do_nothing().returning(Edition.key_hash, Edition.id)
    made = {new[hash_]: id_ for hash_, id_ in session.execute(statement, rows)}
    carried = [
        {"edition_id": id_, "entry_id": entry, "revision_id": revision}
        for pinned, id_ in made.items()
        for entry, revision in pinned.entries
    ]
    if carried and dialect is postgresql:
        columns = {name: [row[name] for row in carried] for name in ("edition_id", "entry_id", "revision_id")}
        session.execute(_CARRY, columns)
    elif carried:
        session.execute(insert(EditionEntry), carried)
    return made

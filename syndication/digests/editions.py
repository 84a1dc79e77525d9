"""Editions: what everybody with equal windows gets, pinned to revisions and a notice. Made once, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert, select
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


def editions_for(session: Session, issue_id: int, wanted: Sequence[Pinned], now: datetime) -> dict[Pinned, int]:
    """The ids of the issue's editions for `wanted`, made where they are missing.

    The caller holds the issue's row or the publication's, so that nobody else makes the same edition meanwhile.
    """
    if not wanted:
        return {}
    by_hash = {pinned.hash: pinned for pinned in wanted}
    found: dict[Pinned, int] = {}
    hashes = list(by_hash)
    for start in range(0, len(hashes), _AT_A_TIME):
        query = select(Edition.key_hash, Edition.id).where(
            Edition.issue_id == issue_id, Edition.key_hash.in_(hashes[start : start + _AT_A_TIME])
        )
        found.update({by_hash[hash_]: id_ for hash_, id_ in session.execute(query)})
    new = {hash_: pinned for hash_, pinned in by_hash.items() if pinned not in found}
    if new:
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
        made = session.execute(insert(Edition).returning(Edition.key_hash, Edition.id), rows)
        ids = {new[hash_]: id_ for hash_, id_ in made}
        session.execute(
            insert(EditionEntry),
            [
                {"edition_id": id_, "entry_id": entry, "revision_id": revision}
                for pinned, id_ in ids.items()
                for entry, revision in pinned.entries
            ],
        )
        found.update(ids)
    return found

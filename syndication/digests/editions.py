"""Editions: what everybody with equal windows gets, pinned to revisions and a notice. Made once, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Row, bindparam, insert, select, text
from sqlalchemy.orm import Session

from syndication.digests.windows import edition_key, key_hash
from syndication.ledger.base import UtcDateTime
from syndication.ledger.bulk import among, array_of
from syndication.ledger.tables import Edition, EditionEntry


class Pinned(NamedTuple):
    """What an edition fixes. `entries`: (entry id, revision id) in reading order."""

    language: str
    notice_id: int
    entries: tuple[tuple[int, int], ...]

    @property
    def revisions(self) -> list[int]:
        return [revision for _, revision in self.entries]

    @property
    def hash(self) -> str:
        return key_hash(edition_key(self.language, self.notice_id, self.revisions))


# One statement for all rows of a table: row by row, these took more than a quarter of a freeze.
_MAKE = text(
    "INSERT INTO edition (issue_id, language, notice_id, key_hash, revisions, created_at)"
    " SELECT :issue, language, notice_id, key_hash, CAST(revisions AS json), :now"
    " FROM unnest(CAST(:languages AS text[]), CAST(:notices AS bigint[]), CAST(:hashes AS text[]),"
    " CAST(:revisions AS text[])) AS n(language, notice_id, key_hash, revisions)"
    " ON CONFLICT DO NOTHING RETURNING key_hash, id"
).bindparams(bindparam("now", type_=UtcDateTime()))
_CARRY = text(
    "INSERT INTO edition_entry (edition_id, entry_id, revision_id) SELECT * FROM unnest("
    "CAST(:editions AS bigint[]), CAST(:entries AS bigint[]), CAST(:revisions AS bigint[]))"
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
    if not by_hash:
        return {}
    query = select(Edition.key_hash, Edition.id).where(
        Edition.issue_id == issue_id, among(session, Edition.key_hash, by_hash)
    )
    return {by_hash[hash_]: id_ for hash_, id_ in session.execute(query)}


def _make(session: Session, issue_id: int, new: dict[str, Pinned], now: datetime) -> dict[Pinned, int]:
    """Those that this call made; one that somebody else made meanwhile is missing."""
    insert_all = _insert_each if session.get_bind().dialect.name == "sqlite" else _insert_at_once
    made = {new[hash_]: id_ for hash_, id_ in insert_all(session, issue_id, new, now)}
    carried = [(id_, entry, revision) for pinned, id_ in made.items() for entry, revision in pinned.entries]
    if carried and insert_all is _insert_at_once:
        editions, entries, revisions = (array_of(column) for column in zip(*carried, strict=True))
        session.execute(_CARRY, {"editions": editions, "entries": entries, "revisions": revisions})
    elif carried:
        rows = [{"edition_id": id_, "entry_id": entry, "revision_id": revision} for id_, entry, revision in carried]
        session.execute(insert(EditionEntry), rows)
    return made


def _insert_at_once(session: Session, issue_id: int, new: dict[str, Pinned], now: datetime) -> Iterable[Row[str, int]]:
    columns = {
        "languages": [pinned.language for pinned in new.values()],
        "notices": array_of(pinned.notice_id for pinned in new.values()),
        "hashes": array_of(new),
        "revisions": [json.dumps(pinned.revisions) for pinned in new.values()],
    }
    return session.execute(_MAKE, columns | {"issue": issue_id, "now": now})


def _insert_each(session: Session, issue_id: int, new: dict[str, Pinned], now: datetime) -> Iterable[Row[str, int]]:
    rows = [
        {
            "issue_id": issue_id, "language": pinned.language, "notice_id": pinned.notice_id, "key_hash": hash_,
            "revisions": pinned.revisions, "created_at": now,
        }
        for hash_, pinned in new.items()
    ]  # fmt: skip
    return session.execute(insert(Edition).returning(Edition.key_hash, Edition.id), rows)

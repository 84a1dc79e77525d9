"""Who must never get mail again, by keyed hash (guarantee 6): the hash, and the question for one address or a chunk of them.

The key is a random pepper, made once and kept as a fact of the ledger, so that the hashes outlive every erased record and
say nothing without the ledger. `address_key` is the folded address of `subscriber.address_key`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from syndication.ledger.bulk import among
from syndication.ledger.tables import Fact, Suppression

_PEPPER = "suppression pepper"


def pepper(session: Session) -> bytes:
    """The key; made by the first who asks (in a writing transaction)."""
    fact = session.get(Fact, _PEPPER)
    if fact is None:
        dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
        fresh = dialect.insert(Fact).values(name=_PEPPER, value=secrets.token_hex(32))
        session.execute(fresh.on_conflict_do_nothing())  # of two who make it at once the first one's holds
        fact = session.get_one(Fact, _PEPPER, populate_existing=True)
    return bytes.fromhex(fact.value)


def address_hash(key: bytes, address_key: str) -> str:
    """HMAC-SHA-256 in hex, as `suppression.address_hash` holds it."""
    return hmac.digest(key, address_key.encode("utf-8", "surrogatepass"), "sha256").hex()


def suppressed_among(session: Session, publication_id: int, address_keys: Collection[str]) -> set[str]:
    """Those of `address_keys` (folded) that get no mail."""
    return set(reasons_among(session, publication_id, address_keys))


def reasons_among(session: Session, publication_id: int, address_keys: Collection[str]) -> dict[str, str]:
    """Address → why it gets no mail, for those of `address_keys` (folded) that get none."""
    mine = Suppression.publication_id == publication_id
    if not address_keys or session.execute(select(Suppression.id).where(mine).limit(1)).first() is None:
        return {}
    key = pepper(session)
    by_hash = {address_hash(key, address): address for address in address_keys}
    query = select(Suppression.address_hash, Suppression.reason)
    rows = session.execute(query.where(mine, among(session, Suppression.address_hash, by_hash)))
    return {by_hash[hash_]: reason for hash_, reason in rows}

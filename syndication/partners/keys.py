"""Partner sites and their keys: add, find, revoke, and the capability address.

Guarantees: a token is shown once and stored as a hash; it is 256 random bits, so a plain hash cannot be guessed back and a
look-up by it tells nothing through time; revoking works from its commit on; the capability address is off by default.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import BadInput, Conflict, NotFound
from syndication.feeds.artifacts import ensure_feed
from syndication.ledger.content import Publication
from syndication.ledger.db import ring_after_commit
from syndication.ledger.lookup import series_named
from syndication.ledger.tables import Partner
from syndication.tokens import new_secret, secret_hash


@dataclass(frozen=True, slots=True)
class NewPartner:
    """A partner, and the token that nobody can be shown again."""

    partner: Partner
    token: str


def add(
    session: Session,
    publication: Publication,
    name: str,
    series: Sequence[str] = (),
    *,
    licence: str = "",
    demo: bool = False,
) -> NewPartner:
    """A partner for the series named by slug; none: all, those to come too. Partners of equal scope share a feed.

    Raises BadInput, NotFound for a series, Conflict where the name is taken.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 200:
        raise BadInput("a partner needs a name of at most 200 characters;", remedy="name the site.")
    if session.scalars(select(Partner).where(Partner.name == name)).first() is not None:
        raise Conflict(f"there is a partner {name!r} already;", remedy="choose another name.")
    scope = sorted({series_named(session, slug).id for slug in series})
    digest = hashlib.sha256(",".join(map(str, scope)).encode()).hexdigest()[:16]
    feed = ensure_feed(session, publication, f"scope-{digest}", "scope", scope, private=True)
    token = new_secret()
    partner = Partner(
        publication_id=publication.id,
        name=name,
        series_ids=scope,
        feed_id=feed.id,
        token_hash=secret_hash(token),
        licence=licence,
        demo=demo,
        created_at=clock.now(),
    )
    session.add(partner)
    session.flush()
    ring_after_commit(session, "publish.render_owed")
    return NewPartner(partner, token)


def partner_named(session: Session, name: str) -> Partner:
    """By name or number. NotFound lists the names."""
    by = Partner.id == int(name) if name.isascii() and name.isdigit() else Partner.name == name
    found = session.scalars(select(Partner).where(by)).first()
    if found is None:
        known = ", ".join(session.scalars(select(Partner.name).order_by(Partner.name).limit(10))) or "none yet"
        raise NotFound(f"there is no partner {name!r};", remedy=f"there are: {known}.")
    return found


def revoke(partner: Partner) -> None:
    """Takes every key back, for good. The record stays, with its pulls."""
    partner.revoked_at = partner.revoked_at or clock.now()
    partner.capability_hash = None


def switch_capability(partner: Partner, on: bool) -> str | None:
    """Makes a new capability secret (shown once; an older one ends), or switches the address off."""
    if partner.revoked_at is not None:
        raise Conflict(f"partner {partner.name} is revoked;", remedy="add the partner anew.")
    secret = new_secret() if on else None
    partner.capability_hash = secret_hash(secret) if secret else None
    return secret


def authenticate(session: Session, token: str) -> Partner | None:
    """Whose token this is, unless it is revoked."""
    digest = secret_hash(token)
    found = session.scalars(select(Partner).where(Partner.token_hash == digest)).first()
    if found is None or found.revoked_at is not None or not hmac.compare_digest(found.token_hash, digest):
        return None
    return found


def by_capability(session: Session, secret: str) -> Partner | None:
    """Whose capability address this is, unless it is off or revoked."""
    found = session.scalars(select(Partner).where(Partner.capability_hash == secret_hash(secret))).first()
    return None if found is None or found.revoked_at is not None else found

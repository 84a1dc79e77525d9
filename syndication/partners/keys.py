"""Partner sites and their keys: add, find, rotate, revoke, and the capability address.

Guarantees: a token is shown once and stored as a hash (docs/decisions/partner-tokens.md says why a fast one); revoking and
rotating work from their commit on, in every process; the capability address is off by default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

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
    if not 1 <= len(name) <= 200 or name.isdigit():
        raise BadInput(
            "a partner needs a name of at most 200 characters that is more than a number;", remedy="name the site."
        )
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
        licence=" ".join(licence.split()),
        demo=demo,
        created_at=clock.now(),
    )
    session.add(partner)
    session.flush()
    ring_after_commit(session, "publish.render_owed")
    return NewPartner(partner, token)


def partner_named(session: Session, name: str) -> Partner:
    """By name or number. NotFound lists the names."""
    by = Partner.id == int(name) if name.isascii() and name.isdigit() else Partner.name == " ".join(name.split())
    found = session.scalars(select(Partner).where(by)).first()
    if found is None:
        known = ", ".join(session.scalars(select(Partner.name).order_by(Partner.name).limit(10))) or "none yet"
        raise NotFound(f"there is no partner {name!r};", remedy=f"there are: {known}.")
    return found


def revoke(partner: Partner) -> None:
    """Takes every key back, for good. The record stays, with its pulls."""
    partner.revoked_at = partner.revoked_at or clock.now()
    partner.capability_hash = None
    partner.old_token_hash = partner.old_token_until = None


def rotate(partner: Partner, keep_old: timedelta = timedelta(0)) -> str:
    """A new token; the old one works on for `keep_old`, so that a site can change over without missing a pull."""
    _need_unrevoked(partner)
    token = new_secret()
    if keep_old > timedelta(0):
        partner.old_token_hash, partner.old_token_until = partner.token_hash, clock.now() + keep_old
    else:
        partner.old_token_hash = partner.old_token_until = None
    partner.token_hash = secret_hash(token)
    return token


def switch_capability(partner: Partner, on: bool) -> str | None:
    """Makes a new capability secret (shown once; an older one ends), or switches the address off."""
    _need_unrevoked(partner)
    secret = new_secret() if on else None
    partner.capability_hash = secret_hash(secret) if secret else None
    return secret


def by_token(session: Session, tokens: Iterable[str]) -> Partner | None:
    """The partner that one of the tokens belongs to, also a revoked one: whether it may pull says `may_pull`."""
    digests = [secret_hash(token) for token in tokens if token]
    if not digests:
        return None
    found = session.scalars(select(Partner).where(Partner.token_hash.in_(digests))).first()
    if found is None:
        old = select(Partner).where(Partner.old_token_hash.in_(digests), Partner.old_token_until > clock.now())
        found = session.scalars(old).first()
    return found


def by_capability(session: Session, secret: str) -> Partner | None:
    """Whose capability address this is; None where it was switched off or never was."""
    return session.scalars(select(Partner).where(Partner.capability_hash == secret_hash(secret))).first()


def may_pull(partner: Partner) -> bool:
    return partner.revoked_at is None


def _need_unrevoked(partner: Partner) -> None:
    if partner.revoked_at is not None:
        raise Conflict(f"partner {partner.name} is revoked;", remedy="add the partner anew, under another name.")

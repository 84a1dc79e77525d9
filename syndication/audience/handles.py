"""One-click handles: 16 stored random bytes a person, in addresses as 22 URL-safe characters.

Not signed tokens: no key has to live as long as a mail does. The hash of an erased person's handle is kept, so that the
link in an old mail still answers, and still works should they come back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.ledger.tables import FormerHandle, Subscriber


def new_handle() -> bytes:
    return secrets.token_bytes(16)


def handle_token(handle: bytes) -> str:
    """How a handle stands in an address: base64url without padding."""
    return base64.urlsafe_b64encode(handle).rstrip(b"=").decode("ascii")


def handle_bytes(token: str) -> bytes | None:
    """The handle in an address; None for what cannot be one."""
    if len(token) != 22 or not token.isascii():
        return None
    try:
        handle = base64.b64decode(token + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return handle if handle_token(handle) == token else None


def handle_hash(handle: bytes) -> str:
    return hashlib.sha256(handle).hexdigest()


def subscriber_by_handle(session: Session, token: str) -> Subscriber | None:
    """Whose handle this is, or was before they were erased and came back."""
    handle = handle_bytes(token)
    if handle is None:
        return None
    found = session.scalars(select(Subscriber).where(Subscriber.handle == handle)).first()
    if found is None:
        former = session.get(FormerHandle, handle_hash(handle))
        found = session.get(Subscriber, former.subscriber_id) if former and former.subscriber_id else None
    return found


def is_former(session: Session, token: str) -> bool:
    """Whether this was the handle of a person whose record is erased."""
    handle = handle_bytes(token)
    return handle is not None and session.get(FormerHandle, handle_hash(handle)) is not None

"""Signed tokens for links that carry their meaning: the first key signs, all keys verify. Pure.

One-click handles are not tokens: they are stored random bytes (`subscriber.handle`), so that no key has to live for years.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any

import orjson
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from syndication.errors import BadInput


class TokenExpired(BadInput):
    """The link was right once; the page offers a new one."""


class Signer:
    """`keys`: the first signs, all verify. A token is bound to its `purpose`."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        if not keys or not all(keys):
            raise BadInput("no secret key", where="SYNDICATION_SECRET_KEYS", remedy="Set one or more, comma separated.")
        self._keys = keys
        self._derived: dict[str, bytes] = {}

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        # itsdangerous signs with the last key of a list and verifies with each.
        return URLSafeTimedSerializer(
            list(reversed(self._keys)), salt=f"syndication.{purpose}", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def make(self, purpose: str, payload: Any) -> str:
        """A URL-safe token for a JSON-able payload: what itsdangerous' timed serializer makes, in a quarter of its time,
        for every mail has one."""
        key = self._derived.get(purpose)
        if key is None:
            secret = f"syndication.{purpose}signer{self._keys[0]}"
            key = self._derived[purpose] = hashlib.sha256(secret.encode()).digest()
        stamp = int(time.time())
        value = _plain(orjson.dumps(payload)) + b"." + _plain(stamp.to_bytes((stamp.bit_length() + 7) // 8, "big"))
        return (value + b"." + _plain(hmac.digest(key, value, "sha256"))).decode("ascii")

    def read(self, purpose: str, token: str, *, max_age_seconds: int | None = None) -> Any:
        """The payload. Raises TokenExpired, or BadInput where the token was not made by us for this purpose."""
        try:
            return self._serializer(purpose).loads(token, max_age=max_age_seconds)
        except SignatureExpired as error:
            raise TokenExpired("this link is too old", remedy="Ask for a new one.") from error
        except BadSignature as error:
            raise BadInput("this link is not one of ours", remedy="Open it from the mail again, whole.") from error

    def mark(self, purpose: str, text: str) -> str:
        """16 hex digits that only we can make for `text`: for places that hold no whole token."""
        return self._mark(self._keys[0], purpose, text)

    def is_mark(self, purpose: str, text: str, mark: str) -> bool:
        return any(hmac.compare_digest(self._mark(key, purpose, text), mark) for key in self._keys)

    def _mark(self, key: str, purpose: str, text: str) -> str:
        return hmac.digest(key.encode(), f"syndication.mark.{purpose}\n{text}".encode(), "sha256").hex()[:16]


def _plain(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def new_secret() -> str:
    """43 URL-safe characters of 256 random bits: partner tokens, secret keys."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """How a random secret of 128 bits or more is stored: plain SHA-256 (it cannot be guessed), 64 hex digits."""
    return hashlib.sha256(secret.encode()).hexdigest()

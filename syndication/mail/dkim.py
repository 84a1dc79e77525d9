"""DKIM signatures on a spliced message: relaxed/relaxed, RSA and Ed25519 (RFC 6376, RFC 8463). Pure but for the clock.

What is the same for everybody is worked out once for an edition: the canonical form of its fixed runs and headers, and the hash
of the body up to its first slot, which is copied for each message. The canonical form of a run does not depend on what stands
beside it, for every slot in a body has lines of its own.

Guarantees: `From` is oversigned, so that a second one breaks the signature; what the relay rewrites is not signed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from syndication import clock

SIGNED: Final = (
    "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id",
    "Feedback-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
)  # fmt: skip
_BLANKS = re.compile(rb"[ \t]+")
_AT_LINE_END = re.compile(rb"[ \t]+(?=\r\n)")
_RSA_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()
_FOLD = 72

Piece = bytes | int  # bytes that are the same for everybody, or the number of a slot's value


@dataclass(frozen=True, slots=True)
class Key:
    """A private key and where its public half is published: `<selector>._domainkey.<domain>`."""

    selector: str
    domain: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        return "rsa-sha256" if isinstance(self.private, RSAPrivateKey) else "ed25519-sha256"

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, _RSA_PADDING, _SHA256)
        return self.private.sign(hashlib.sha256(data).digest())  # RFC 8463 §3: the hash is what is signed


class Stamp:
    """Signs the messages of one edition. `head` and `body` are its pieces, the empty line between them in neither."""

    def __init__(
        self, keys: Sequence[Key], head: Sequence[Piece], body: Sequence[Piece], *, unsigned: Collection[str] = ()
    ) -> None:
        """`unsigned`: fields that the relay rewrites."""
        left_out = {name.lower() for name in unsigned}
        fields = {name.lower(): parts for name, parts in _fields(head)}
        names = [name for name in SIGNED if name.lower() in fields and name.lower() not in left_out]
        self._head = [_canonical_field(name, fields[name.lower()]) for name in names]
        first, *rest = [_canonical_body(piece) if isinstance(piece, bytes) else piece for piece in body]
        assert isinstance(first, bytes), "a body begins with a fixed run"
        self._begun = hashlib.sha256(first)
        self._rest = rest
        listed = ":".join(["From", *names] if "From" in names else names)
        self._keys = [(key, _before(key), _between(listed)) for key in keys]

    def fields(self, values: Sequence[bytes]) -> bytes:
        """The DKIM-Signature fields that go before the message with these values, by slot number."""
        body = self._begun.copy()
        body.update(b"".join([values[piece] if isinstance(piece, int) else piece for piece in self._rest]))
        hashed = base64.b64encode(body.digest())
        head = b"".join(
            [name + b" ".join(b"".join(_filled(parts, values)).split()) + b"\r\n" if parts else name
             for name, parts in self._head]
        )  # fmt: skip
        stamp = b"%d" % int(clock.now().timestamp())
        signed = []
        for key, before, between in self._keys:
            value = before + stamp + between + hashed + b";\r\n b="
            canonical = b"dkim-signature:" + value.replace(b"\r\n", b"")
            signature = base64.b64encode(key.sign(head + canonical))
            folded = b"\r\n ".join(signature[i : i + _FOLD] for i in range(0, len(signature), _FOLD))
            signed.append(b"DKIM-Signature: " + value + folded + b"\r\n")
        return b"".join(signed)


def _before(key: Key) -> bytes:
    return f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain};\r\n s={key.selector}; t=".encode("ascii")


def _between(listed: str) -> bytes:
    lines, line = [], " h="
    for name in listed.split(":"):
        if len(line) + len(name) > _FOLD:
            lines.append(line)
            line = " "
        line += f"{name}:"
    return (";\r\n" + "\r\n".join([*lines, line.removesuffix(":")]) + ";\r\n bh=").encode("ascii")


def _fields(head: Sequence[Piece]) -> list[tuple[str, list[Piece]]]:
    """(name, pieces of the value) of each header field, in order."""
    lines: list[list[Piece]] = [[]]
    for piece in head:
        if isinstance(piece, int):
            lines[-1].append(piece)
            continue
        for line in re.split(rb"(?<=\r\n)(?![ \t])", piece):  # a field ends where the next line is no continuation
            if line:
                lines[-1].append(line)
                if line.endswith(b"\r\n"):
                    lines.append([])
    found = []
    for line_pieces in lines:
        if line_pieces and isinstance(line_pieces[0], bytes):
            name, _, start = line_pieces[0].partition(b":")
            found.append((name.decode("ascii"), [start, *line_pieces[1:]]))
    return found


def _canonical_field(name: str, parts: Sequence[Piece]) -> tuple[bytes, Sequence[Piece]]:
    """(what is fixed, and the pieces of a value that is not): RFC 6376 §3.4.2."""
    begin = name.lower().encode("ascii") + b":"
    if all(isinstance(part, bytes) for part in parts):
        return begin + b" ".join(b"".join(_filled(parts, ())).split()) + b"\r\n", ()
    return begin, parts


def _canonical_body(run: bytes) -> bytes:
    """RFC 6376 §3.4.4. Our bodies end with their last boundary, so there are no empty lines to drop."""
    return _BLANKS.sub(b" ", _AT_LINE_END.sub(b"", run))


def _filled(parts: Sequence[Piece], values: Sequence[bytes]) -> list[bytes]:
    return [values[part] if isinstance(part, int) else part for part in parts]

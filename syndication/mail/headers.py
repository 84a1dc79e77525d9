"""Header fields of our mails, ASCII and folded: names and subjects as RFC 2047 words, what must stay whole on one line. Pure.

Header injection is impossible: control characters become spaces before anything is encoded, and an address with one is refused.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, parseaddr
from functools import lru_cache

import idna

from syndication import clock
from syndication.errors import BadInput

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_QUOTABLE = re.compile(r"[\x20-\x7e]+")
_NOT_ADDRESS = re.compile(r"[\x00-\x20\x7f-\x9f()<>,;:\\\"\[\]]")
LONGEST_LINE = 998  # RFC 5322 §2.1.1, without CRLF


def one_line(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def text_field(name: str, value: str) -> bytes:
    """`Name: value` with folding, RFC 2047 where it is not ASCII."""
    return f"{name}: {_encoded(one_line(value), len(name) + 2)}\r\n".encode("ascii")


def raw_field(name: str, value: str) -> bytes:
    """`Name: value` on one line, never encoded (RFC 8058 §3.1: a client must find the address as it is)."""
    line = f"{name}: {value}"
    if _CONTROL.search(value) or not value.isascii() or len(line) > LONGEST_LINE:
        raise BadInput(
            f"{name} cannot be {value[:80]!r};", remedy="its value is ASCII, one line, at most 998 characters."
        )
    return f"{line}\r\n".encode("ascii")


def mailbox(name: str, address: str, field: str = "To") -> str:
    """`Name <address>` for a header, folded. A domain in another script is written in its ASCII form."""
    address = ascii_domain(address)
    name = one_line(name)
    if not name:
        return address
    plain = len(name) <= 60 and "=?" not in name  # what begins so would be read as an RFC 2047 word
    if plain and _PLAIN_NAME.fullmatch(name):
        shown = name
    elif plain and _QUOTABLE.fullmatch(name):
        shown = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    else:
        shown = _words(name, len(field) + 2)
    glue = "\r\n " if len(shown.rsplit("\r\n", 1)[-1]) + len(address) > 70 else " "
    return f"{shown}{glue}<{address}>"


def _words(text: str, used: int) -> str:
    """Text as RFC 2047 words, whole characters in each, one a line; the first line has `used` characters already. What
    `email.header` makes, in a tenth of its time, for every mail to a person with a name in another script has one."""
    words: list[str] = []
    room = (74 - used - len("=?utf-8?b??=")) // 4 * 3
    chunk = b""
    for char in text:
        encoded = char.encode("utf-8")
        if chunk and len(chunk) + len(encoded) > room:
            words.append(_word(chunk))
            chunk, room = b"", 45
        chunk += encoded
    return "\r\n ".join([*words, _word(chunk)])


def _word(chunk: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?="


def ascii_domain(address: str) -> str:
    """The address with its domain in ASCII (IDNA). BadInput for what is no address."""
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or _NOT_ADDRESS.search(address):
        raise BadInput(f"{address[:80]!r} is no address;", remedy="write name@example.org.")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")  # the codec of this name would write ß as ss
        except idna.IDNAError as error:
            raise BadInput(f"{address[:80]!r} has no usable domain;", remedy="check its spelling.") from error
    return f"{local}@{domain}"


def parsed_mailbox(value: str, fallback_name: str = "") -> tuple[str, str]:
    """(name, address) of a setting such as `Tideway <series@tideway.example>` or a bare address."""
    name, address = parseaddr(one_line(value))
    try:
        Address(addr_spec=ascii_domain(address))
    except (HeaderParseError, ValueError, IndexError) as error:
        raise BadInput(
            f"{value!r} is no sender address;",
            where="publication.toml, [mail]",
            remedy="write From as name@example.org.",
        ) from error
    return name or fallback_name, address


def message_id(authority: str, delivery_id: int, created_at: datetime, domain: str) -> str:
    """Unique for each delivery, the same at every try, and another one in another ledger."""
    seed = f"{authority}\n{delivery_id}\n{created_at.isoformat()}"
    return f"<{delivery_id}.{hashlib.sha256(seed.encode()).hexdigest()[:24]}@{domain}>"


@lru_cache(maxsize=8)
def date_value(at: datetime) -> str:
    return format_datetime(at)


def date_now() -> str:
    """The value of Date for a mail that goes now."""
    return date_value(clock.now().replace(microsecond=0))


def _encoded(value: str, used: int) -> str:
    if value.isascii() and "=?" not in value:
        return str(Header(value, "us-ascii", maxlinelen=76, header_name="x" * max(used - 2, 1)).encode(linesep="\r\n"))
    return str(Header(value, "utf-8", maxlinelen=74, header_name="x" * max(used - 2, 1)).encode(linesep="\r\n"))

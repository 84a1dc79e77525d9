"""What SMTP says, as bytes: replies read, commands written, the opening of a connection as a dialogue. Pure.

Guarantees: nothing a relay sends is taken for an answer unless it is one (`Nonsense` else, also for lines without end); its
words hold nothing that a ledger, a log or a terminal could stumble over; a command can't be broken by what stands in it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple

LONGEST_LINE = 4_096  # RFC 5321 §4.5.3.1.5 allows 512; some relays say more
MOST_LINES = 200  # of one reply
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_SHORT = {b"%d " % code: code for code in (220, 221, 235, 250, 334, 354)}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")  # PostgreSQL takes no text with a NUL in it
_NOT_IN_PATH = re.compile(r"[\x00-\x20\x7f<>]")
STARTTLS = object()  # what the opening yields when the connection has to be wrapped


class Nonsense(ValueError):
    """The other side does not speak SMTP."""


class Refused(Exception):
    """The opening ended with an answer that lets nobody send. `code` 0: it is our own demand that was not met."""

    def __init__(self, step: str, code: int, words: str) -> None:
        super().__init__(f"answered {f'{code} {words}'.strip()!r} to {step}" if code else words)
        self.code = code


class Reply(NamedTuple):
    """`words`: the lines behind the code, joined by line feeds."""

    code: int
    words: str


class ReplyReader:
    """Bytes as they come, whole replies out. Lines may end in CRLF or in a bare LF."""

    def __init__(self) -> None:
        self._rest = b""
        self._code = b""
        self._lines: list[str] = []

    def feed(self, data: bytes) -> list[Reply]:
        """The replies that are whole now. Raises Nonsense."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            raise Nonsense(f"a line without end: {self._rest[:60]!r}")
        replies = []
        for line in lines:
            line = line.rstrip(b"\r")
            if not self._lines and line[:4] in _SHORT:  # nearly every one
                replies.append(Reply(_SHORT[line[:4]], _words(line[4:LONGEST_LINE])))
                continue
            found = _LINE.fullmatch(line)
            if found is None or len(line) > LONGEST_LINE:
                raise Nonsense(f"no reply: {line[:60]!r}")
            code, more, words = found.groups()
            if self._lines and code != self._code:
                raise Nonsense(f"a reply that changes its code: {line[:60]!r}")
            self._code = code
            self._lines.append(_words(words or b""))
            if len(self._lines) > MOST_LINES:
                raise Nonsense(f"a reply without end: {line[:60]!r}")
            if more != b"-":
                replies.append(Reply(int(code), "\n".join(self._lines)))
                self._lines = []
        return replies

    @property
    def between_replies(self) -> bool:
        """Nothing of a further reply has come: after STARTTLS anything else would be somebody's injection."""
        return not self._rest and not self._lines


def _words(said: bytes) -> str:
    return _CONTROL.sub("\ufffd", said.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class Features:
    """What a relay offers in its answer to EHLO, in capitals. `size`: the largest message it takes, 0 for unknown."""

    names: frozenset[str] = frozenset()
    auth: frozenset[str] = frozenset()
    size: int = 0

    def __contains__(self, name: str) -> bool:
        return name in self.names


def features(reply: Reply) -> Features:
    """From an EHLO's answer; its first line is a greeting."""
    names, auth, size = set(), set(), 0
    for line in reply.words.split("\n")[1:]:
        name, *parameters = line.upper().replace("AUTH=", "AUTH ").split() or [""]
        names.add(name)
        if name == "AUTH":
            auth |= set(parameters)
        if name == "SIZE" and parameters and parameters[0].isdecimal():
            size = int(parameters[0])
    return Features(frozenset(names), frozenset(auth), size)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a connection begins. `starttls`: required | optional | no; `secure`: TLS from the first byte; `private`: a
    password may go without TLS, for the relay is on this machine."""

    helo: str
    starttls: str = "optional"
    secure: bool = False
    private: bool = False
    user: str = ""
    password: str = field(default="", repr=False)


def opening(wish: Opening) -> Generator[bytes | object, Reply, Features]:
    """Yields what to write (or STARTTLS) and takes replies, from the greeting to the login. Raises Refused."""
    _accepted("the connection", (yield b""))
    offered = yield from _hello(wish.helo)
    secure = wish.secure
    if not secure and wish.starttls != "no":
        if "STARTTLS" in offered:
            _accepted("STARTTLS", (yield b"STARTTLS\r\n"))
            yield STARTTLS
            secure = True
            offered = yield from _hello(wish.helo)  # what was said in clear counts for nothing (RFC 3207 §4.2)
        elif wish.starttls == "required":
            raise Refused("EHLO", 0, "does not offer STARTTLS, which is required")
    if wish.user:
        if not secure and not wish.private:
            raise Refused("EHLO", 0, "would get the password in clear")
        yield from _login(wish, offered)
    return offered


def _hello(helo: str) -> Generator[bytes | object, Reply, Features]:
    reply = yield f"EHLO {helo}\r\n".encode("ascii")
    if reply.code == 250:
        return features(reply)
    if reply.code not in {500, 501, 502, 504, 550}:  # RFC 5321 §3.2: an old relay, which knows HELO
        _accepted("EHLO", reply)
    _accepted("HELO", (yield f"HELO {helo}\r\n".encode("ascii")))
    return Features()


def _login(wish: Opening, offered: Features) -> Generator[bytes | object, Reply, None]:
    user, password = wish.user.encode(), wish.password.encode()
    if "PLAIN" in offered.auth:
        reply = yield b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n"
    elif "LOGIN" in offered.auth:
        reply = yield b"AUTH LOGIN\r\n"
        for secret in (user, password):
            if reply.code != 334:
                break
            reply = yield base64.b64encode(secret) + b"\r\n"
    else:
        raise Refused("EHLO", 0, "offers neither AUTH PLAIN nor AUTH LOGIN, so the password cannot be given")
    _accepted("AUTH", reply)


def _accepted(step: str, reply: Reply) -> None:
    if not 200 <= reply.code < 300:
        raise Refused(step, reply.code, reply.words.replace("\n", " "))


def envelope(sender: str, recipient: str, parameters: str = "") -> tuple[bytes, bytes]:
    """MAIL and RCPT. Raises Nonsense for a path that would end its command."""
    if _NOT_IN_PATH.search(sender) or _NOT_IN_PATH.search(recipient):
        raise Nonsense(f"no path: {sender!r} {recipient!r}")
    return f"MAIL FROM:<{sender}>{parameters}\r\n".encode(), f"RCPT TO:<{recipient}>\r\n".encode()


def stuffed(data: bytes) -> bytes:
    """Dot-stuffed, with the end mark (RFC 5321 §4.5.2). `data` has CRLF line ends."""
    if b"\r\n." in data or data.startswith(b"."):
        data = data.replace(b"\r\n.", b"\r\n..")
        data = b"." + data if data.startswith(b".") else data
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")

"""Mail through a relay: several connections kept for many messages, all served by one thread that never blocks.

Guarantees: a reply is judged at the step it answers; only a connection that broke after the whole message was handed over
leaves it unknown; what was not begun goes by another connection, and is deferred when that breaks under it too. A relay that
closes after so many messages is given no more than so many on each connection from then on.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import parse_qs, unquote, urlsplit

from syndication.errors import BadInput
from syndication.mail.line import Line, farewell
from syndication.mail.relays import profile_for
from syndication.mail.traffic import Habits, Traffic
from syndication.mail.transport import PATIENCE, Outgoing, TransportTrouble
from syndication.mail.wire import Opening
from syndication.settings import LOOPBACK_HOSTS

_TLS_WISHES = ("required", "optional", "no")
_OPTIONS = {"starttls", "helo", "cafile", "profile"}


class Relay:
    """`url`: smtp://user:pass@host:port?starttls=required|optional|no&helo=NAME&cafile=PATH&profile=NAME, or smtps://….

    Without `starttls` it is optional to a relay on this machine and required elsewhere. `timeout` in seconds for each reply;
    at most `connections` at once, and `window` unanswered messages on each where the relay takes them without waiting.
    """

    def __init__(self, url: str, *, timeout: float, connections: int = 1, window: int = 1) -> None:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.host = parts.hostname or "127.0.0.1"
        secure = parts.scheme == "smtps"
        self.profile = profile_for(self.host, options.get("profile", ""))
        self.port = parts.port or (465 if secure else self.profile.port)
        here = self.host in LOOPBACK_HOSTS
        self.cafile = options.get("cafile")
        self.timeout = timeout
        self.wish = Opening(
            helo=options.get("helo") or _own_name(),
            starttls=options.get("starttls", "optional" if here else self.profile.starttls),
            secure=secure,
            private=here,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )
        if self.wish.starttls not in _TLS_WISHES or (unknown := set(options) - _OPTIONS):
            wrong = (
                f"starttls={self.wish.starttls}"
                if self.wish.starttls not in _TLS_WISHES
                else ", ".join(sorted(unknown))
            )
            raise BadInput(
                f"the relay's address has {wrong};",
                where="SYNDICATION_MAIL_URL",
                remedy="known are starttls=required|optional|no, helo=NAME, cafile=PATH and profile=NAME.",
            )
        if not self.wish.helo.isascii() or set(self.wish.helo) & set(" \r\n"):
            raise BadInput(
                f"{self.wish.helo!r} is no name to greet with;",
                where="SYNDICATION_MAIL_URL",
                remedy="write helo=mail.example.org.",
            )
        self._habits = Habits(min(connections, self.profile.connections or connections), window)
        self._lines: list[Line] = []
        self._tls: ssl.SSLContext | None = None

    def carry(self, outgoing: Outgoing, patience: float = PATIENCE) -> None:
        """See `Transport`."""
        traffic = Traffic(outgoing, self._lines, self._connect, self._habits, patience)
        traffic.run()
        if traffic.trouble:
            raise self._trouble(traffic.trouble)

    def kept(self, name: str) -> bool | None:
        return None

    def close(self) -> None:
        farewell(self._lines)
        self._lines.clear()
        self._habits.places.clear()  # the next ones ask for the relay's address anew

    def _trouble(self, what: str) -> TransportTrouble:
        return TransportTrouble(
            f"the relay {self.host}:{self.port} {what};",
            where="SYNDICATION_MAIL_URL",
            remedy="nothing was sent; it is tried again.",
        )

    def _connect(self) -> Line:
        places = self._habits.places
        if self.cafile:
            self._context()  # before anything is said to the relay
        if not places:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            places += [(family, address) for family, _, _, _, address in found]
        return Line(places[0], self.host, self.wish, self._context, timeout=self.timeout)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self.cafile)
            except OSError as error:
                raise OSError(f"its cafile {self.cafile} cannot be read: {error.strerror or error}") from error
        return self._tls


def _own_name() -> str:
    """For EHLO: a host name with a dot, else an address literal (RFC 5321 §4.1.3)."""
    name = socket.getfqdn()
    return name if "." in name and name.isascii() else "[127.0.0.1]"

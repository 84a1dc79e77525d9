"""One connection to a relay, never blocking: connect, TLS, the opening, then a `Talk`; bytes to and from its socket.

Guarantees: what is counted as written was taken by the kernel; a relay that is silent, that speaks a byte at a time or that
takes none is given up after `timeout` seconds without a whole answer or a byte taken.
"""

from __future__ import annotations

import os
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from syndication.mail.talk import Job, Talk
from syndication.mail.transport import Answer
from syndication.mail.wire import STARTTLS, Features, Nonsense, Opening, ReplyReader, opening

Place = tuple[int, Any]  # address family, socket address
_READ_AT_ONCE = 65_536
# A relay that writes each reply alone, by Nagle's rule, waits with the second one until the first is acknowledged, which
# the kernel puts off for 40 ms: one message would cost that.
FAREWELL_SECONDS = 1.0
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)
_MOST_PIECES = 64  # of one sendmsg; IOV_MAX is 1,024 and TLS takes one at a time anyway


class Broken(Exception):
    """The connection cannot be used any more; `args[0]` says why."""


class Line:
    """`talk` is there once the opening is done; `connecting`: the other side has not taken the call yet.

    Selectable by its `fileno`. Raises Broken, Refused or Nonsense where it cannot be used any more.
    """

    def __init__(
        self, place: Place, host: str, wish: Opening, context: Callable[[], ssl.SSLContext], *, timeout: float
    ) -> None:
        self.place = place
        self.connecting = True
        self.talk: Talk | None = None
        self.timeout = timeout
        self.written = 0
        self._host, self._wish, self._context = host, wish, context
        self._out: deque[memoryview] = deque()
        self._reader = ReplyReader()
        self._opening = opening(wish)
        self._offered: Features | None = None
        self._shaking = self._tls_wants_to_write = False
        self._tls: ssl.SSLSocket | None = None
        self._sock = self._connect()
        self.since = time.monotonic()

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def wants_to_write(self) -> bool:
        return self.connecting or self._tls_wants_to_write or bool(self._out)

    @property
    def waits(self) -> bool:
        """The other side has to do something: speak, or take bytes."""
        return self.talk is None or self.talk.waits or bool(self._out)

    @property
    def owes(self) -> bool:
        """A message was handed over and is not answered."""
        return self.talk is not None and any(job.handed_over for job in self.talk.jobs)

    def expired(self, now: float) -> bool:
        return self.waits and now - self.since > self.timeout

    def begin(self, window: int) -> None:
        """The talk begins, once the opening has ended."""
        if self.talk is None and self._offered is not None:
            self.talk = Talk(self._offered, window)
            self.written = 0

    def read(self) -> list[Answer]:
        """Takes what has come. Raises Broken, Refused (of the opening), Nonsense."""
        if self.connecting:
            return []
        if self._shaking:
            self._shake()
            return []
        answers: list[Answer] = []
        while True:
            try:
                data = self._sock.recv(_READ_AT_ONCE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return answers
            except OSError as error:
                raise Broken(_told(error)) from error
            if not data:
                raise Broken("it was closed")
            if self.talk is None:
                self._hear_opening(data)
            else:
                heard = self.talk.heard
                answers += self.talk.hear(data)
                if self.talk.heard > heard:
                    self.since = time.monotonic()
                if self.talk.waits and _QUICKACK is not None:
                    self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            if self._tls is None or self._shaking or not self._tls.pending():
                return answers

    def flush(self) -> None:
        """Writes what there is to write, as far as the socket takes it. Raises Broken."""
        if self.connecting:
            self._connected()
            return
        if self._shaking:
            self._shake()
            return
        if self.talk is not None and self.talk.out:
            self._out.extend(map(memoryview, self.talk.out))
            self.talk.out.clear()
        try:
            while self._out:
                if self._tls is not None:
                    sent = self._tls.send(self._out[0])
                else:
                    sent = self._sock.sendmsg(list(islice(self._out, _MOST_PIECES)))
                self._took(sent)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise Broken(_told(error)) from error

    def broke(self, why: str) -> tuple[list[Answer], list[Job]]:
        """Closes it; what became of its messages."""
        self._sock.close()
        return self.talk.broke(why, self.written) if self.talk is not None else ([], [])

    def _quit(self) -> bool:
        """Says so, where nothing is under way; whether an answer may come."""
        if self.talk is None or self._out:
            return False
        try:
            self._sock.setblocking(True)
            self._sock.settimeout(FAREWELL_SECONDS)
            self._sock.sendall(b"QUIT\r\n")
        except OSError:
            return False
        return True

    def _connect(self) -> socket.socket:
        family, address = self.place
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex(address)  # what comes of it is asked when the socket is ready
        return sock

    def _connected(self) -> None:
        code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise Broken(os.strerror(code))
        try:
            self._sock.getpeername()
        except OSError:
            return  # not yet
        self.connecting = False
        self.since = time.monotonic()
        next(self._opening)
        if self._wish.secure:
            self._wrap()

    def _wrap(self) -> None:
        self._tls = self._context().wrap_socket(self._sock, server_hostname=self._host, do_handshake_on_connect=False)
        self._sock = self._tls
        self._shaking = True
        self._shake()

    def _shake(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wanted:
            self._tls_wants_to_write = isinstance(wanted, ssl.SSLWantWriteError)
            return
        except OSError as error:
            raise Broken(_told(error)) from error
        self._shaking = self._tls_wants_to_write = False
        self.since = time.monotonic()
        if not self._wish.secure:  # the opening said STARTTLS and waits for it
            self._say(next(self._opening))

    def _hear_opening(self, data: bytes) -> None:
        for reply in self._reader.feed(data):
            self.since = time.monotonic()
            if self._offered is not None or self._shaking:
                raise Nonsense(f"an answer to nothing: {reply.code}")
            try:
                wish = self._opening.send(reply)
            except StopIteration as end:
                self._offered = end.value
                continue
            if wish is STARTTLS:
                if not self._reader.between_replies:
                    raise Nonsense("something was put in before TLS began")
                self._wrap()
            else:
                self._say(wish)

    def _say(self, words: object) -> None:
        assert isinstance(words, bytes)
        if words:
            self._out.append(memoryview(words))
            self.flush()

    def _took(self, sent: int) -> None:
        self.written += sent
        self.since = time.monotonic()
        while sent:
            piece = self._out[0]
            if sent < len(piece):
                self._out[0] = piece[sent:]
                return
            sent -= len(piece)
            self._out.popleft()


def _told(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate does not hold: {error.verify_message}"
    return error.strerror or str(error) or type(error).__name__


def farewell(lines: Sequence[Line]) -> None:
    """Leaves connections on which everything is answered: QUIT on each, then one wait for all the answers."""
    if not lines:
        return
    ends = time.monotonic() + FAREWELL_SECONDS
    with selectors.DefaultSelector() as selector:
        for line in lines:
            if line._quit():
                selector.register(line._sock, selectors.EVENT_READ, line)
        while selector.get_map() and (left := ends - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                selector.unregister(key.fileobj)
                with suppress(OSError):
                    key.data._sock.recv(_READ_AT_ONCE)
    for line in lines:
        line._sock.close()

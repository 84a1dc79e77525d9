"""Simulated providers behind one relay, for `bench/pacing.py`: each answers as its kind does, and counts."""

from __future__ import annotations

import re
import socketserver
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LIMIT_A_SECOND, BLOCKS_AFTER, GREY_SECONDS = 20, 500, 4
_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>]+>)", re.MULTILINE | re.IGNORECASE)
_TAKEN = b"250 2.1.5 ok"


class Providers(socketserver.ThreadingTCPServer):
    """A relay that asks the recipient's provider at RCPT. `accepted` by Message-ID; `last` by domain when it took its last."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.accepted: Counter[bytes] = Counter()
        self.by_domain: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.last: dict[str, float] = {}
        self.released = False
        self._lock = threading.Lock()
        self._lately: deque[float] = deque()
        self._first_seen: dict[str, float] = {}
        self._let_in = 0

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def ask(self, recipient: str) -> bytes:
        """The provider's answer to this recipient."""
        domain = recipient.rpartition("@")[2]
        now = time.monotonic()
        with self._lock:
            answer = self._answer(domain, recipient, now)
            if answer is not _TAKEN:
                self.refused[domain] += 1
            return answer

    def _answer(self, domain: str, recipient: str, now: float) -> bytes:
        if domain == "busy.example":
            while self._lately and now - self._lately[0] > 1:
                self._lately.popleft()
            if len(self._lately) >= LIMIT_A_SECOND:
                return b"421 4.7.0 slow down"
            self._lately.append(now)
        elif domain == "grey.example":
            if now - self._first_seen.setdefault(recipient, now) < GREY_SECONDS:
                return b"450 4.2.0 greylisted, try again in %d seconds" % GREY_SECONDS
        elif domain == "strict.example" and not self.released:
            if self._let_in >= BLOCKS_AFTER:
                return b"550 5.7.1 mail from your network was blocked by our policy"
            self._let_in += 1
        return _TAKEN

    def keep(self, recipient: str, message: bytes) -> None:
        found = _MESSAGE_ID.search(message)
        domain = recipient.rpartition("@")[2]
        with self._lock:
            self.accepted[found[1] if found else b""] += 1
            self.by_domain[domain] += 1
            self.last[domain] = time.monotonic()


class _Talk(socketserver.StreamRequestHandler):
    server: Providers
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError, ValueError):
            self._talk()

    def _talk(self) -> None:
        self.wfile.write(b"220 relay ready\r\n")
        recipient = ""
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                self.wfile.write(b"250-relay\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n")
            elif verb == b"RCPT":
                wanted = line.split(b"<")[1].split(b">")[0].decode()
                answer = self.server.ask(wanted)
                recipient = wanted if answer is _TAKEN else ""
                self.wfile.write(answer + b"\r\n")
                if answer.startswith(b"421"):
                    return
            elif verb == b"DATA":
                if not recipient:
                    self.wfile.write(b"503 5.5.1 no recipient\r\n")
                    continue
                self.wfile.write(b"354 go on\r\n")
                body = bytearray()
                while (more := self.rfile.readline()) != b".\r\n":
                    if not more:
                        return
                    body += more
                self.server.keep(recipient, bytes(body))
                self.wfile.write(b"250 2.0.0 kept\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 2.0.0 bye\r\n")
                return
            else:
                self.wfile.write(b"250 2.0.0 ok\r\n")


@contextmanager
def providers() -> Iterator[Providers]:
    with Providers() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()

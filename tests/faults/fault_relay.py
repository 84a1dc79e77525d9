"""A relay that misbehaves as it is told: each kind of answer at each verb, hanging up, stalling; it counts what it accepts."""

from __future__ import annotations

import re
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum


class Act(Enum):
    """What a relay does instead of answering."""

    HANG_UP = "hangs up"
    STALL = "says nothing more"


Answer = bytes | Act
_MESSAGE_ID = re.compile(rb"^Message-ID: *(<[^>]+>)", re.MULTILINE | re.IGNORECASE)


@dataclass
class Fault:
    """At `stage` the relay does `answer`, `times` times; then it is well. Stages: connect, ehlo, mail, rcpt, data, body, end.

    Where it hangs up or stalls at `end`, it has accepted the message and keeps it: the worst case.
    """

    stage: str
    answer: Answer
    times: int = 2
    met: int = 0


@dataclass
class Seen:
    """What the relay knows. `accepted`: Message-ID → copies kept."""

    accepted: Counter[str] = field(default_factory=Counter)
    recipients: dict[str, str] = field(default_factory=dict)
    messages: int = 0
    after_message: Callable[[int], None] = lambda _count: None
    delay: Callable[[], None] = lambda: None


class FaultRelay(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, offers: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.offers = offers
        self.fault: Fault | None = None
        self.seen = Seen()
        self.closing = threading.Event()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"

    def answer(self, stage: str, usual: bytes) -> Answer:
        with self._lock:
            fault = self.fault
            if fault is None or fault.stage != stage or fault.met >= fault.times:
                return usual
            fault.met += 1
            return fault.answer

    def answer_to(self, recipient: str) -> bytes | None:
        """To RCPT for this person; None: as usual."""
        return None

    def keep(self, recipient: str, message: bytes) -> None:
        found = _MESSAGE_ID.search(message)
        assert found is not None
        with self._lock:
            self.seen.accepted[found[1].decode()] += 1
            self.seen.recipients[found[1].decode()] = recipient
            self.seen.messages += 1
            count = self.seen.messages
        self.seen.after_message(count)


class _Over(Exception):
    """This connection is over."""


class _Talk(socketserver.StreamRequestHandler):
    server: FaultRelay
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with suppress(OSError, _Over, ValueError):
            self._talk()

    def _say(self, stage: str, usual: bytes) -> bool:
        """Whether the answer was the good one."""
        answer = self.server.answer(stage, usual)
        if answer is Act.STALL:
            self.server.closing.wait(30)
        if isinstance(answer, Act):
            raise _Over
        self.wfile.write(answer + b"\r\n")
        if answer.startswith(b"421"):
            raise _Over
        return answer is usual

    def _talk(self) -> None:
        recipient = ""
        self._say("connect", b"220 relay ready")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                names = [b"relay", *(name.encode() for name in self.server.offers)]
                marks = [b"250-"] * (len(names) - 1) + [b"250 "]
                self._say("ehlo", b"\r\n".join(mark + name for mark, name in zip(marks, names, strict=True)))
            elif verb == b"MAIL":
                recipient = ""
                self._say("mail", b"250 2.1.0 ok")
            elif verb == b"RCPT":
                named = line.split(b"<")[1].split(b">")[0].decode()
                if (no := self.server.answer_to(named)) is not None:
                    self.wfile.write(no + b"\r\n")
                elif self._say("rcpt", b"250 2.1.5 ok"):
                    recipient = named
            elif verb == b"DATA":
                if not recipient:
                    self.wfile.write(b"503 5.5.1 no recipient\r\n")
                elif self._say("data", b"354 go on"):
                    self._finish(recipient, self._dotted())
            elif verb == b"BDAT":
                body = self.rfile.read(int(line.split()[1]))
                self._inside()
                if recipient:
                    self._finish(recipient, body)
                else:
                    self.wfile.write(b"503 5.5.1 no recipient\r\n")
            elif verb == b"QUIT":
                self.wfile.write(b"221 2.0.0 bye\r\n")
                return
            else:
                self.wfile.write(b"250 2.0.0 ok\r\n")

    def _inside(self) -> None:
        answer = self.server.answer("body", b"")
        if answer is Act.STALL:
            self.server.closing.wait(30)
        if isinstance(answer, Act):
            raise _Over

    def _dotted(self) -> bytes:
        body = bytearray()
        while not body.endswith(b"\r\n.\r\n"):
            line = self.rfile.readline()
            if not line:
                raise _Over
            if not body:
                self._inside()
            body += line
        return bytes(body)

    def _finish(self, recipient: str, message: bytes) -> None:
        self.server.seen.delay()
        answer = self.server.answer("end", b"250 2.0.0 kept")
        refused = isinstance(answer, bytes) and answer[:1] in b"45" and answer[:3].isdigit()
        if not refused:
            self.server.keep(recipient, message)
        if answer is Act.STALL:
            self.server.closing.wait(30)
        if isinstance(answer, Act):
            raise _Over
        self.wfile.write(answer + b"\r\n")
        if answer.startswith(b"421"):
            raise _Over


@contextmanager
def fault_relay(offers: tuple[str, ...] = ()) -> Iterator[FaultRelay]:
    with answering(FaultRelay(offers)) as relay:
        yield relay


@contextmanager
def answering(relay: FaultRelay) -> Iterator[FaultRelay]:
    """The relay at work in threads of its own."""
    with relay:
        threading.Thread(target=relay.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield relay
        finally:
            relay.closing.set()
            relay.shutdown()

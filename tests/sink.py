"""A mailbox for everybody: a real SMTP server (aiosmtpd) that keeps what it accepts, counted by Message-ID."""

from __future__ import annotations

import email
import email.policy
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Sink:
    """What was accepted, in order. `url` is the relay's address for `SYNDICATION_MAIL_URL`."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, EmailMessage]] = []
        self.url = ""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        message = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.kept += [(recipient, message) for recipient in envelope.rcpt_tos]
        return "250 2.0.0 kept"

    def to(self, address: str) -> list[EmailMessage]:
        return [message for recipient, message in list(self.kept) if recipient.lower() == address]

    def copies(self) -> Counter[str]:
        """Message-ID → how often it came."""
        return Counter(str(message["Message-ID"]) for _, message in list(self.kept))


@contextmanager
def open_sink() -> Iterator[Sink]:
    sink = Sink()
    port = free_port()
    server = Controller(sink, hostname="127.0.0.1", port=port, enable_SMTPUTF8=True)
    server.start()
    try:
        sink.url = f"smtp://127.0.0.1:{port}"
        yield sink
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())

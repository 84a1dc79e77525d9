"""A ledger with one issue ready to go, and a relay that answers as it is told."""

from __future__ import annotations

import email
import email.policy
import socketserver
import time
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage

from syndication import clock
from syndication.content import EntryContent
from syndication.feeds.disclaimers import STANDARD
from syndication.ledger.audience import Subscriber, Subscription
from syndication.ledger.content import Entry, Publication, Revision, Series
from syndication.ledger.db import Database
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.publishing import add_notice

BODY = "<p>Water &amp; wind, “quoted”.</p>" * 20


def new_issue(db: Database, people: int, *, body: str = BODY) -> int:
    """A frozen daily issue with one entry and `people` pending deliveries; the issue's id."""
    now = clock.now()
    with db.transaction() as session:
        publication = Publication(
            slug="tideway", name="Tideway Institute", url="https://tideway.example", language="en",
            timezone="Europe/Lisbon", supporters_url="https://tideway.example/s?a=1&b=2", postal_address="1 Quay, Porto",
            mail_from="Tideway <series@tideway.example>", reply_to="desk@tideway.example",
            tag_authority="tideway.example", tag_date="2026-01-01", created_at=now,
        )  # fmt: skip
        session.add(publication)
        session.flush()
        series = Series(publication_id=publication.id, slug="ferries", title="Ferries", created_at=now)
        session.add(series)
        session.flush()
        add_notice(session, publication, "en", STANDARD["en"])
        entry = Entry(
            publication_id=publication.id, series_id=series.id, identity="a", slug="a", tag_uri="tag:a", state="published",
            mail_seq=1, seq=1, published_at=now, updated_at=now, created_at=now,
        )  # fmt: skip
        session.add(entry)
        session.flush()
        content = EntryContent(title="On ferries", standfirst="They float.", body_html=body)
        revision = Revision(
            entry_id=entry.id, number=1, title=content.title, content=content.model_dump(mode="json"), source_hash="x",
            created_at=now,
        )  # fmt: skip
        session.add(revision)
        session.flush()
        entry.revision_id = revision.id
        issue = Issue(
            publication_id=publication.id, cadence="daily", slot="s", zones=[], upto_seq=1, state="frozen",
            eligible=people, cut_at=now, frozen_at=now,
        )  # fmt: skip
        session.add(issue)
        session.flush()
        edition = Edition(
            issue_id=issue.id, language="en", notice_id=1, key_hash="k", revisions=[revision.id], created_at=now
        )
        session.add(edition)
        session.flush()
        session.add(EditionEntry(edition_id=edition.id, entry_id=entry.id, revision_id=revision.id))
        for number in range(1, people + 1):
            session.add(
                Subscriber(
                    id=number, publication_id=publication.id, address=f"p{number}@example.org",
                    address_key=f"p{number}@example.org", domain="example.org", name="Zoë 李", language="en",
                    timezone="Europe/Lisbon", handle=number.to_bytes(16, "big"), created_at=now,
                )
            )  # fmt: skip
        session.flush()
        for number in range(1, people + 1):
            session.add(
                Subscription(
                    subscriber_id=number,
                    timezone="Europe/Lisbon",
                    scope=0,
                    cadence="daily",
                    state="active",
                    cursor=1,
                    asked_at=now,
                    active_at=now,
                )
            )
            session.add(
                Delivery(
                    publication_id=publication.id, issue_id=issue.id, edition_id=edition.id, subscriber_id=number,
                    due_at=now, created_at=now,
                )
            )  # fmt: skip
        return issue.id


def parsed(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


class ScriptedRelay(socketserver.ThreadingTCPServer):
    """Answers with `script[step]` (a bytes line, or None: hangs up) for the recipients in `only`, else with success.

    Steps: connect, ehlo, mail, rcpt, data, end (of DATA or BDAT), other. `offers` in its answer to EHLO. A message counts as
    received when its success has been said, or when its script says nothing (None) and hangs up.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.script: dict[str, bytes | None] = {}
        self.only: set[str] | None = None
        self.offers: tuple[str, ...] = ()
        self.closes_after = 0  # messages on one connection
        self.most_talks = 0  # connections at once; 0: any number
        self.pause = 0.0  # seconds before each line of a message is read
        self.open_talks = 0
        self.received: list[tuple[str, bytes]] = []
        self.talks: list[list[bytes]] = []  # the commands, by connection
        self.on_message: Callable[[int], None] = lambda _count: None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: ScriptedRelay
    disable_nagle_algorithm = True

    def _hit(self, step: str, recipient: str) -> bool:
        return step in self.server.script and (self.server.only is None or recipient in self.server.only)

    def _say(self, step: str, usual: bytes, recipient: str) -> bool:
        line = self.server.script[step] if self._hit(step, recipient) else usual
        if line is None:
            return False
        self.wfile.write(line + b"\r\n")
        return not line.startswith(b"421")

    def handle(self) -> None:
        self.server.open_talks += 1
        try:
            if 0 < self.server.most_talks < self.server.open_talks:
                self.wfile.write(b"421 4.7.0 too many connections\r\n")
                return
            with suppress(ConnectionError):  # the other side was killed, or hung up
                self._talk()
        finally:
            self.server.open_talks -= 1

    def _talk(self) -> None:
        recipient, commands, taken = "", [], 0
        self.server.talks.append(commands)
        refused = False
        if not self._say("connect", b"220 relay", recipient):
            return
        for line in self.rfile:
            commands.append(line.rstrip())
            verb = line[:4].upper().strip()
            if verb == b"EHLO":
                lines = [b"250-relay", *(b"250-" + name.encode() for name in self.server.offers)]
                usual = b"\r\n".join([*lines[:-1], lines[-1].replace(b"250-", b"250 ", 1)])
                if not self._say("ehlo", usual, recipient):
                    return
            elif verb == b"RCPT":
                recipient = line.split(b"<")[1].split(b">")[0].decode()
                script = self.server.script.get("rcpt", b"250")
                refused = self._hit("rcpt", recipient) and script is not None and not script.startswith(b"2")
                if not self._say("rcpt", b"250 ok", recipient):
                    return
            elif verb in {b"DATA", b"BDAT"}:
                if verb == b"BDAT":
                    body = self.rfile.read(int(line.split()[1]))
                    if refused:
                        self.wfile.write(b"554 5.5.1 no valid recipients\r\n")
                        continue
                else:
                    if refused:
                        self.wfile.write(b"554 5.5.1 no valid recipients\r\n")
                        continue
                    if not self._say("data", b"354 go", recipient):
                        return
                    if self._hit("data", recipient) and self.server.script["data"][:3] != b"354":  # type: ignore[index]
                        continue
                    body = b""
                    while not body.endswith(b"\r\n.\r\n"):
                        if self.server.pause and len(body) % 5_000 < 20:
                            time.sleep(self.server.pause)
                        more = self.rfile.readline()
                        if not more:
                            return
                        body += more
                    body = body[:-3].replace(b"\r\n..", b"\r\n.")
                if not body:
                    return
                if not self._hit("end", recipient) or (self.server.script["end"] or b"2").startswith(b"2"):
                    self.server.received.append((recipient, body))
                    self.server.on_message(len(self.server.received))
                if not self._say("end", b"250 2.0.0 queued as X", recipient):
                    return
                taken += 1
                if taken == self.server.closes_after:
                    return
            elif verb == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                step = {b"MAIL": "mail"}.get(verb, "other")
                if not self._say(step, b"250 ok", recipient):
                    return

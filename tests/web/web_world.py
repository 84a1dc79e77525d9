"""What tests of the web share: the base address, a browser that asks the app, a changed document."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from syndication import clock
from syndication.content import EntryContent
from syndication.feeds.disclaimers import linked_text
from syndication.ledger import notices
from syndication.ledger.audience import Subscriber
from syndication.ledger.content import Draft, Entry
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.web.outbox import folder
from syndication.wiring import Wiring

BASE = "http://127.0.0.1:8000"
NewEntry = Callable[..., int]


def browser(wiring: Wiring, peer: str = "127.0.0.1", base_url: str = BASE) -> TestClient:
    return TestClient(create_app(wiring), base_url=base_url, client=(peer, 50_000), follow_redirects=False)


def redraft(session: Session, entry_id: int, published_at: datetime | None = None, **content: object) -> None:
    """A document of the entry waits."""
    text = EntryContent.model_validate({"title": "T", "body_html": "<p>Water &amp; wind.</p>", **content})
    session.merge(
        Draft(
            entry_id=entry_id,
            content=text.model_dump(mode="json"),
            published_at=published_at,
            source="x",
            source_hash=str(hash(text)),
            imported_at=clock.now(),
        )
    )


def post_digest(session: Session, settings: Settings, entry_id: int) -> int:
    """A digest with the entry, sent to one person and lying in the outbox; its delivery's id."""
    entry = session.get_one(Entry, entry_id)
    notice = notices.current(session, entry.publication_id, "en")
    now = clock.now()
    person = Subscriber(
        publication_id=entry.publication_id, address="ana@example.org", address_key="ana@example.org", domain="example.org",
        language="en", timezone="UTC", handle=bytes(16), created_at=now,
    )  # fmt: skip
    issue = Issue(
        publication_id=entry.publication_id, cadence="daily", slot="2026-11-24", zones=[], upto_seq=9, eligible=1,
        state="done", cut_at=now,
    )  # fmt: skip
    session.add_all([person, issue])
    session.flush()
    edition = Edition(
        issue_id=issue.id,
        language="en",
        notice_id=notice.id,
        key_hash="k",
        revisions=[entry.revision_id],
        created_at=now,
    )
    session.add(edition)
    session.flush()
    session.add(EditionEntry(edition_id=edition.id, entry_id=entry.id, revision_id=entry.revision_id))
    delivery = Delivery(
        publication_id=entry.publication_id, issue_id=issue.id, edition_id=edition.id, subscriber_id=person.id,
        state="sent", due_at=now, sent_at=now, created_at=now,
    )  # fmt: skip
    session.add(delivery)
    session.flush()
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Über tides", "series@tideway.example", "ana@example.org"
    mail.set_content(f"On tides\n\nTwice a day.\n\n{textwrap.fill(linked_text(notice.html), 60)}\n")
    mail.add_alternative(
        '<html lang="en"><head><title>Tides</title></head><body><h1>On tides</h1><script>alert(1)</script>'
        f"<table role=presentation><tr><td>{notice.html}</td></tr></table></body></html>",
        subtype="html",
    )
    new = folder(settings) / "new"
    new.mkdir(parents=True, exist_ok=True)
    (new / str(delivery.id)).write_bytes(mail.as_bytes())
    return delivery.id

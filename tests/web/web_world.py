"""What tests of the web share: the base address, a browser that asks the app, a changed document."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from syndication import clock
from syndication.content import EntryContent
from syndication.ledger.content import Draft
from syndication.web.app import create_app
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

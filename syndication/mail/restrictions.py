"""The destinations that asked for less, told to people, and released by them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.errors import NotFound
from syndication.ledger import destinations
from syndication.ledger.db import ring_after_commit
from syndication.ledger.destinations import Destination
from syndication.mail.consequences import in_words
from syndication.mail.manners import release
from syndication.mail.meaning import meaning_of


def listing(session: Session) -> list[dict[str, Any]]:
    """Each of them: name, state, rate a second, how many wait, until when it is paused, the reply and what to do."""
    waiting = destinations.waiting(session)
    return [
        {
            "name": one.name,
            "state": one.state,
            "rate": round(one.rate, 2) if one.state in {"slow", "opening"} else 0,
            "at_once": one.most,
            "waiting": waiting.get(one.id, 0),
            "paused_until": one.paused_until,
            "since": one.since,
            "reply": one.reply,
            "advice": in_words(meaning_of(one.reply), one.reply)["advice"],
        }
        for one in session.scalars(select(Destination).order_by(Destination.name))
    ]


def release_named(session: Session, name: str) -> str:
    """Sends to it again; the state in which it was. NotFound where it is free."""
    destination = destinations.named(session, name)
    if destination is None:
        raise NotFound(f"{name} is not held up;", remedy="`syndicate destinations` lists those that are.")
    before = destination.state
    release(session, destination)
    ring_after_commit(session, "mail.send_due")
    ring_after_commit(session, "mail.send_transactional")
    return before

"""What a relay has against us at present, kept in the ledger from the first round that it blocked to the first that goes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete
from sqlalchemy.orm import Session

from syndication.ledger.db import Database, ledger_now
from syndication.ledger.operations import Fact
from syndication.logs import without_secrets

_FACT = "relay trouble"


class Standing(NamedTuple):
    since: datetime
    what: str
    advice: str


def standing(session: Session) -> Standing | None:
    """What blocks the mail now; None: nothing."""
    fact = session.get(Fact, _FACT)
    if fact is None:
        return None
    kept = json.loads(fact.value)
    return Standing(datetime.fromisoformat(kept["since"]), kept["what"], kept["advice"])


def note(db: Database, what: str, advice: str) -> None:
    """A round was blocked; the first such round's time stays."""
    with db.transaction() as session:
        before = standing(session)
        since = before.since if before else ledger_now(session)
        kept = {"since": since.isoformat(), "what": without_secrets(what), "advice": advice}
        session.merge(Fact(name=_FACT, value=json.dumps(kept)))


def over(db: Database) -> None:
    """A round went through. Takes no lock where nothing was the matter."""
    with db.reading() as session:
        if standing(session) is None:
            return
    with db.transaction() as session:
        session.execute(delete(Fact).where(Fact.name == _FACT))

"""A transaction that another process may get in the way of: two imports of one tree, an import beside a publish."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from syndication.errors import TryLater
from syndication.ledger.db import Database

T = TypeVar("T")
_TRIES = 4


class Meanwhile(TryLater):
    """Somebody else did the same at the same moment."""


def once_more(db: Database, do: Callable[[Session], T]) -> T:
    """`do` in a transaction; where somebody else made the same row or took it away meanwhile, all of it anew: it then finds
    what is there. Raises Meanwhile where that goes on."""
    for _ in range(_TRIES):
        try:
            with db.transaction() as session:
                return do(session)
        except (IntegrityError, StaleDataError, Meanwhile) as error:
            last = error
    raise Meanwhile("another import took its place at the same moment;", remedy="import again.") from last

"""What the surroundings refuse (a database, a file, a disk), as an error of ours with a remedy; no password is repeated."""

from __future__ import annotations

from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from syndication.errors import NeedsHuman, SyndicationError, TryLater
from syndication.logs import without_secrets

DATABASE = "SYNDICATION_DATABASE_URL"


def in_words(error: Exception) -> SyndicationError | None:
    """None where it is nobody's fault but this program's."""
    if isinstance(error, ArgumentError):
        return NeedsHuman(
            "this is no database address;", where=DATABASE, remedy="write postgresql://USER:PASSWORD@HOST/NAME."
        )
    if isinstance(error, DBAPIError) and (isinstance(error, OperationalError) or type(error) is DatabaseError):
        return _database(without_secrets(str(error.orig).strip().splitlines()[0]))
    if isinstance(error, OSError) and error.filename is not None:
        return NeedsHuman(
            f"{error.strerror};", where=str(error.filename), remedy="mend that and run the command again."
        )
    return None


def _database(said: str) -> SyndicationError:
    if "locked" in said:
        return TryLater(f"the database is busy ({said});", where=DATABASE, remedy="run the command again.")
    if "full" in said or "No space" in said:
        return NeedsHuman(f"there is no room ({said});", where="disk", remedy="make room and run the command again.")
    return NeedsHuman(
        f"the database does not answer ({said});",
        where=DATABASE,
        remedy="start it, or mend the address; `syndicate doctor` looks at the whole set-up.",
    )

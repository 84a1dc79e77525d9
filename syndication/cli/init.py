"""`syndicate init`: the data directory and the schema. Run again it changes nothing that is right."""

from __future__ import annotations

from syndication.cli.output import AsJson, emit, settings


def init(as_json: AsJson = False) -> None:
    """Make the data directory (0700), a secret key where none is set, and bring the ledger's schema up to date.

    Where SYNDICATION_BASE_URL is set and it or the hubs changed, every feed is marked to be rendered anew by the workers.

    Safe to run again, and on many hosts at once: the first does the work, the others wait.
    """
    from syndication.ledger import schema
    from syndication.publishing import readdress
    from syndication.wiring import open_wiring

    wiring = open_wiring(settings())
    before = schema.standing(wiring.db)
    schema.upgrade(wiring.db)
    _ = wiring.signer
    if wiring.settings.base_url:  # left out it is a guess, and would lead every reader to this machine
        readdress(wiring.db, wiring.base_url, wiring.settings.other_hubs)
    emit(
        {
            "data_dir": str(wiring.settings.data_dir.absolute()),
            "database": "SQLite" if wiring.db.is_sqlite else "PostgreSQL",
            "schema": "was current" if before == "current" else f"was {before}, is current",
        },
        as_json,
    )

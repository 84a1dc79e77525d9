"""What tests of partners share: making one, the rows of its pulls."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from sqlalchemy import select

from syndication.feeds.owing import render_owed
from syndication.ledger.db import Database
from syndication.ledger.lookup import the_publication
from syndication.ledger.tables import Pull
from syndication.partners import keys

BASE = "http://testserver"
Auth = dict[str, str]


def add(db: Database, name: str, *series: str, licence: str = "") -> Auth:
    """A partner and the header that lets it in."""
    with db.transaction() as session:
        token = keys.add(session, the_publication(session), name, series, licence=licence).token
    render_owed(db, BASE)
    return {"Authorization": f"Bearer {token}"}


def token_of(auth: Auth) -> str:
    return auth["Authorization"].removeprefix("Bearer ")


def pulls(db: Database, count: int) -> Sequence[Pull]:
    """The pulls on record, oldest first, once there are `count`: those without text come a moment later."""
    for _ in range(100):
        with db.reading() as session:
            found = session.scalars(select(Pull).order_by(Pull.at, Pull.id)).all()
        if len(found) >= count:
            break
        time.sleep(0.05)
    return found


@contextmanager
def serving(database_url: str, data_dir: Path, *options: str) -> Iterator[str]:
    """The address of a real web process over the database; what it prints goes to `data_dir/output`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [
        str(Path(sys.executable).parent / "granian"), "--interface", "asgi", "--factory", "--host", "127.0.0.1", "--port",
        str(port), "--workers", "1", "--no-ws", *options, "syndication.web.app:application",
    ]  # fmt: skip
    environment = {**os.environ, "SYNDICATION_DATA_DIR": str(data_dir), "SYNDICATION_DATABASE_URL": database_url,
                   "SYNDICATION_SECRET_KEYS": "k" * 32}  # fmt: skip
    with (data_dir / "output").open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, cwd=Path(__file__).parents[2], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(300):
            try:
                requests.get(f"{address}/healthz", timeout=2)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)

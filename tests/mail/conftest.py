"""A service's wiring on each database, and a relay that answers as it is told."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hard_mail import HardMail, published
from mail_world import ScriptedRelay

from syndication.settings import Settings
from syndication.wiring import Wiring, open_wiring


@pytest.fixture
def wiring(tmp_path: Path, db_url: str) -> Iterator[Wiring]:
    wiring = open_wiring(
        Settings(data_dir=tmp_path / "var", base_url="https://news.tideway.example", slice_size=50, database_url=db_url)
    )
    yield wiring
    wiring.db.close()


@pytest.fixture
def relay() -> Iterator[ScriptedRelay]:
    with ScriptedRelay() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def hard(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HardMail]:
    """Entries that are hard to send well, imported from tests/corpus/mail and published."""
    place = tmp_path_factory.mktemp("hard")
    shutil.copy(sqlite_template, place / "ledger.sqlite3")
    wiring = open_wiring(Settings(data_dir=place, base_url="https://news.quay.example"))
    yield published(wiring)
    wiring.db.close()

"""A publication with entries, as tests/publishing has it, and a browser that asks the app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication.ledger.db import Database
from syndication.publishing import rerender_all
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import new_entry, publication
from tests.web.web_world import BASE, browser

__all__ = ["new_entry", "publication"]


@pytest.fixture
def client(tmp_path: Path, db: Database, publication: int) -> Iterator[TestClient]:
    wiring = Wiring(Settings(data_dir=tmp_path, database_url=db.url, feed_check_seconds=1e-9), BASE, "")
    wiring.__dict__["db"] = db
    rerender_all(db, BASE)
    with browser(wiring) as client:
        yield client

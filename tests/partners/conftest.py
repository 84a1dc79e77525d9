"""Partners of a publication with two series, and the whole app to ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication.ledger.db import Database
from syndication.settings import Settings
from syndication.web.app import create_app
from syndication.wiring import Wiring
from tests.partners.partner_world import BASE
from tests.publishing.conftest import new_entry, publication  # noqa: F401  # fixtures


@pytest.fixture
def wiring(db: Database, tmp_path: Path) -> Wiring:
    settings = Settings(data_dir=tmp_path, database_url=db.url, secret_keys="k" * 32, partner_pulls_per_minute=100_000)
    made = Wiring(settings=settings, base_url=BASE, broker_url="")
    made.__dict__["db"] = db
    return made


@pytest.fixture
def client(wiring: Wiring, publication: int) -> Iterator[TestClient]:  # noqa: F811  # the fixture, by its name
    with TestClient(create_app(wiring), base_url=BASE, follow_redirects=False) as client:
        yield client

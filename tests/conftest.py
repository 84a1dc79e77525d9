"""Fixtures every test may use: a ledger with its schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syndication.ledger.db import Database
from syndication.ledger.tables import Base


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()

"""The fixture `world`: a small ledger to cut and freeze."""

from __future__ import annotations

import pytest
from digest_world import World

from syndication.ledger.db import Database


@pytest.fixture
def world(db: Database) -> World:
    return World(db)

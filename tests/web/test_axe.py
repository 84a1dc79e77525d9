"""axe finds nothing on our pages, at phone and desk width, light and dark; the app answers the browser without a server."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route
from starlette.testclient import TestClient

from tests.web.web_world import BASE


def answered_by(client: TestClient, page: Page) -> Page:
    """Every request of the page goes to the app, nothing to a network."""

    def fulfil(route: Route) -> None:
        answer = client.get(route.request.url.removeprefix(BASE))
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    page.route("**/*", fulfil)
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(
    chromium: Browser, client: TestClient, mailed: tuple[int, int], width: int, scheme: str
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = answered_by(client, context.new_page())
    for path in ("/workbench", "/outbox/", f"/outbox/{mailed[1]}"):
        page.goto(BASE + path)
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"
    context.close()

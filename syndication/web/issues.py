"""`/issues/<token>`: view in browser. The token names a delivery; the page has nothing personal and is not indexed."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.errors import BadInput, NotFound
from syndication.mail.browser import page_of
from syndication.wiring import Wiring

HEADERS = {
    "X-Robots-Tag": "noindex, nofollow",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; img-src * data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ),
}


def routes(wiring: Wiring) -> list[BaseRoute]:
    def issue(request: Request) -> Response:
        try:
            delivery_id = int(wiring.signer.read("issue", request.path_params["token"]))
            with wiring.db.reading() as session:
                page = page_of(session, wiring.renderer.render, wiring.base_url, delivery_id)
        except (BadInput, NotFound, ValueError, TypeError) as error:
            raise HTTPException(404) from error
        return HTMLResponse(page, headers=HEADERS)

    return [Route("/issues/{token}", issue)]

"""`/workbench/issues/<id>`: how an issue went, or is going. On loopback only; `digest report --html` makes the same page."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.digests.account import account
from syndication.ledger.lookup import the_publication
from syndication.ledger.mailings import Issue
from syndication.mail.bounds import bounds
from syndication.web.loopback import headers, only_here
from syndication.wiring import Wiring


def routes(wiring: Wiring) -> list[BaseRoute]:
    def report(request: Request) -> Response:
        number = request.path_params["issue"]
        with wiring.db.reading() as session:
            issue = session.get(Issue, number) if number < 2**63 else None
            if issue is None:
                raise HTTPException(404)
            html = wiring.renderer.render(
                "web/issue_report.html",
                publication=the_publication(session),
                account=account(session, issue),
                bounds=bounds(wiring.settings),
                alone=False,
            )
        return HTMLResponse(html, headers=headers(wiring))

    return [Route("/workbench/issues/{issue:int}", only_here(wiring, report))]

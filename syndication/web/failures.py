"""An error as a page: what is wrong and what to do, in the publication's language, never a trace. The log has the rest."""

from __future__ import annotations

import structlog
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from syndication.errors import BadInput, NotFound, SyndicationError
from syndication.web.pages import page
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)


def failure(wiring: Wiring, request: Request, error: Exception) -> Response:
    """Anything that is not the visitor's doing is logged with its names: template, channel, setting."""
    heading = text = ""
    status = 500
    if isinstance(error, HTTPException):
        status = error.status_code
        heading = "" if status in (404, 405, 500) else error.detail
    elif isinstance(error, NotFound):
        status = 404
    elif isinstance(error, OperationalError):  # the database is away, its disk is full: to be tried again
        status = 503
    elif isinstance(error, BadInput):
        status, heading, text = 400, error.what.rstrip(";"), error.remedy
    if status >= 500:
        reason = str(error) if isinstance(error, SyndicationError) else repr(error)
        log.error("a page cannot be shown", path=request.url.path, error=type(error).__name__, reason=reason)
    try:
        answer: Response = page(wiring, request, "web/message.html", status, heading=heading, text=text, code=status)
    except Exception as broken:  # also this page: say it without a template
        log.error("nor can the page that says so", reason=str(broken))
        answer = PlainTextResponse("This cannot be shown. Please try again later.\n", status)
    answer.headers.update(getattr(error, "headers", None) or {})
    if status == 503:
        answer.headers.setdefault("retry-after", "30")
    answer.headers["cache-control"] = "no-store"
    return answer

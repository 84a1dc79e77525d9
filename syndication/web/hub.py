"""`/hub`: the WebSub hub's door. A request is checked, written down and answered 202; the callback is asked afterwards.

Guarantees: no request to anybody is made while the visitor waits; what is wrong is said in the answer (WebSub §5.1 wants a
reason in plain text); one visitor cannot have us call strangers without bounds, nor many visitors one stranger.
"""

from __future__ import annotations

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.errors import BadInput, Conflict, NotFound, SyndicationError, TryLater
from syndication.push.hub import Asked, ask
from syndication.web.limits import Limit, visitor
from syndication.web.visitors import client_address, form_endpoint, text
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

DAY = 86_400
_STATUS: dict[type[SyndicationError], int] = {BadInput: 400, Conflict: 403, NotFound: 404, TryLater: 429}
_FORM = "application/x-www-form-urlencoded"
_RATES = "120/minute;2000/hour"  # an aggregator that follows every series of a publication in one go may


def routes(wiring: Wiring) -> list[BaseRoute]:
    limit = Limit("hub", _RATES, wiring.broker_url)
    settings = wiring.settings

    def hub(request: Request, form: FormData | None) -> Response:
        if form is None:
            return PlainTextResponse(
                "This is a WebSub hub. Subscribe with a POST of hub.mode, hub.topic and hub.callback.\n"
            )
        if not limit.admits(visitor(client_address(request, settings.trusted_proxies))):
            return PlainTextResponse("Too many requests from your address.\n", 429, headers={"retry-after": "60"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            return PlainTextResponse(f"Send the request as {_FORM}.\n", 415)
        asked = Asked(
            mode=text(form, "hub.mode"),
            topic=text(form, "hub.topic"),
            callback=text(form, "hub.callback"),
            lease_seconds=text(form, "hub.lease_seconds"),
            secret=str(form.get("hub.secret", "")),
        )
        try:
            with wiring.db.transaction() as session:
                ask(
                    session,
                    asked,
                    wiring.base_url,
                    default_lease=round(settings.hub_lease_days * DAY),
                    longest_lease=round(settings.hub_longest_lease_days * DAY),
                    per_host=settings.hub_per_host,
                )
        except tuple(_STATUS) as error:
            again = {"retry-after": "60"} if isinstance(error, TryLater) else None
            return PlainTextResponse(f"{error}\n", _STATUS[type(error)], headers=again)
        except SQLAlchemyError as error:
            log.error("a hub request cannot be written down", reason=str(error))
            return PlainTextResponse("The hub cannot take requests now.\n", 503, headers={"retry-after": "30"})
        return PlainTextResponse("Your callback will be asked.\n", 202)

    return [Route("/hub", form_endpoint(hub), methods=["GET", "POST"])]

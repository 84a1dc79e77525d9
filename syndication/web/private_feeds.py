"""Private feeds: `/feeds/private/<name>.<format>` for who sends the token, `/feeds/key/<token>/feed.<format>` for readers that
cannot.

Guarantees: a feed that is not there, a wrong token and none are told apart by nothing; no answer and no log line repeats a
token; only who asked may keep an answer; nothing leads here from public pages.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.defining import by_token
from syndication.feeds.formats import FORMATS
from syndication.ledger.content import Artifact
from syndication.web.conditional import chosen_encoding
from syndication.web.limits import Limit, visitor
from syndication.web.partner_answers import BY_TOKEN, SECRET, unchanged_answer, whole_answer
from syndication.web.partner_door import KNOCKS, offered_tokens
from syndication.web.visitors import client_address
from syndication.wiring import Wiring

_CHALLENGE = 'Bearer realm="feeds", Basic realm="feeds", charset="UTF-8"'


def routes(wiring: Wiring) -> list[BaseRoute]:
    door = PrivateFeeds(wiring)
    return [
        Route("/feeds/private/{name}.{fmt}", door.named, methods=["GET"]),
        Route("/feeds/key/{token}/feed.{fmt}", door.keyed, methods=["GET"]),
    ]


class PrivateFeeds:
    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._knocks = Limit("private feeds", KNOCKS, wiring.broker_url)

    def named(self, request: Request) -> Response:
        offered = offered_tokens(request.headers.get("authorization", ""))
        return self._answer(request, offered, BY_TOKEN, request.path_params["name"])

    def keyed(self, request: Request) -> Response:
        return self._answer(request, [request.path_params["token"]], SECRET)

    def _answer(self, request: Request, offered: Sequence[str], way: dict[str, str], name: str = "") -> Response:
        fmt = request.path_params["fmt"]
        encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
        with self._wiring.db.reading() as session:
            feed = by_token(session, offered)
            if feed is None or fmt not in FORMATS or (name and feed.name != name):
                return self._refused(request, way)
            if feed.gone:
                return PlainTextResponse("This feed has ended.\n", 410, way)
            artifact = session.get(Artifact, (feed.id, fmt))
            if artifact is None:
                return PlainTextResponse("This feed is being made.\n", 503, {**way, "Retry-After": "2"})
            headers = {**way, "Content-Type": f"{FORMATS[fmt].media_type}; charset=utf-8"}
            unchanged = unchanged_answer(request, headers, artifact.etag, encoding, artifact.last_modified)
            if unchanged is not None:
                return unchanged
            body = artifact.brotli if encoding == "br" else artifact.gzip  # deferred: read only now
        return whole_answer(request, headers, body if encoding else gzip.decompress(body))

    def _refused(self, request: Request, way: dict[str, str]) -> Response:
        if not self._knocks.admits(visitor(client_address(request, self._wiring.settings.trusted_proxies))):
            wait = str(self._knocks.wait_seconds)
            return PlainTextResponse("Too many requests; ask again later.\n", 429, {**way, "Retry-After": wait})
        if way is SECRET:
            return PlainTextResponse("There is no such feed.\n", 404, way)
        return PlainTextResponse("Send the feed's token.\n", 401, {**way, "WWW-Authenticate": _CHALLENGE})

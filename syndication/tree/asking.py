"""Documents as the service gives them to a stranger: the app itself is asked, so that the tree's bytes are the service's.

Whatever the service keeps from a stranger (drafts, embargoes, partner feeds) is thereby kept from the tree.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import MutableMapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import brotli
from starlette.types import ASGIApp

from syndication.errors import TryLater
from syndication.feeds.artifacts import BROTLI_QUALITY, GZIP_LEVEL

CODINGS = {"gzip": ".gz", "br": ".br"}
TRIES = 5
_WORTH_CODING = ("text/", "application/rss", "application/atom", "application/feed+json", "image/svg")
_UNCODED = frozenset({"content-length", "content-encoding"})
_DECODE = {"gzip": gzip.decompress, "br": brotli.decompress}


class Answer(NamedTuple):
    """`headers` are those of the identity form; `twins`: coding → bytes, each smaller than the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    twins: dict[str, bytes]


class Asker:
    """Asks `app` at `base_url` as one anonymous visitor."""

    def __init__(self, app: ASGIApp, base_url: str) -> None:
        self._app = app
        self._host = urlsplit(base_url).netloc.encode()

    async def ask(self, path: str) -> Answer:
        """One path in every coding, all of the same bytes. Raises TryLater where they go on changing or the service fails."""
        for _ in range(TRIES):
            status, headers, body = await self._get(path, "identity")
            if status >= 500:
                raise TryLater(
                    f"the service answers {status}: {body[:200].decode('utf-8', 'replace').strip()};", where=path
                )
            said = {name: value for name, value in headers.items() if name not in _UNCODED}
            if status != 200 or not headers.get("content-type", "").startswith(_WORTH_CODING):
                return Answer(status, said, body, {})
            varies = "accept-encoding" in headers.get("vary", "").lower()  # else the service says the same to all
            twins = {
                coding: await self._twin(path, coding, body) if varies else _coded(coding, body) for coding in CODINGS
            }
            if None not in twins.values():
                return Answer(status, said, body, _worth_having(body, twins))
        raise TryLater("it changes faster than it can be read;", where=path, remedy="export again.")

    async def _twin(self, path: str, coding: str, body: bytes) -> bytes | None:
        """The body in a coding, by the service where it codes this one; None where it has changed meanwhile."""
        _, headers, coded = await self._get(path, coding)
        if headers.get("content-encoding") == coding:
            return coded if _DECODE[coding](coded) == body else None
        return _coded(coding, body) if coded == body else None

    async def _get(self, path: str, coding: str) -> tuple[int, dict[str, str], bytes]:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": quote(path).encode(), "query_string": b"", "root_path": "", "state": {}, "client": None,
            "server": None, "headers": [(b"host", self._host), (b"accept-encoding", coding.encode())],
        }  # fmt: skip
        status = 0
        headers: dict[str, str] = {}
        body: list[bytes] = []

        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()  # nothing is sent and nobody hangs up: until the answer is whole
            raise AssertionError

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers.update((n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in message["headers"])
            elif message["type"] == "http.response.body":
                body.append(message.get("body", b""))

        await self._app(scope, receive, send)
        return status, headers, b"".join(body)


def _coded(coding: str, body: bytes) -> bytes:
    if coding == "br":
        made: bytes = brotli.compress(body, quality=BROTLI_QUALITY, mode=brotli.MODE_TEXT)
        return made
    return gzip.compress(body, GZIP_LEVEL, mtime=0)


def _worth_having(body: bytes, twins: dict[str, bytes | None]) -> dict[str, bytes]:
    """A twin as long as another form is left out: a server that makes an ETag of length and date would give both the same."""
    kept: dict[str, bytes] = {}
    for coding, coded in twins.items():
        if coded is not None and len(coded) < len(body) and len(coded) not in map(len, kept.values()):
            kept[coding] = coded
    return kept

"""Feeds over HTTP: compressed bytes from memory, a plain ASGI callable, so that a poll costs next to nothing.

Guarantees: what is sent is what the ledger had at most `feed_check_seconds` (and one check) ago, whichever process answers;
validators belong to the bytes sent, one for each encoding; a partner's feed does not exist here. While the ledger does not
answer, the last known bytes go on being served.
"""

from __future__ import annotations

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from syndication import clock
from syndication.web.conditional import SUFFIX, chosen_encoding, is_conditional, judged, said
from syndication.web.ondemand import OnDemand, Outcome
from syndication.web.politeness import Politeness
from syndication.web.readership import Readership
from syndication.web.shelf import OPML_PATH, Document, Shelf
from syndication.web.visitors import client_of
from syndication.wiring import Wiring

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger(__name__)

_LONGEST_WAIT = 1.0  # seconds a poll waits for a check of the ledger before it takes what is known
_BUSY = 1.0  # seconds after a change, of looks four times as often: one act's feeds come in several transactions
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_SOON = (b"retry-after", b"2")
_FOR_AN_HOUR = (b"cache-control", b"public, max-age=3600")


def is_feed_path(path: str) -> bool:
    """Whether a path is served from here: not pages for people, of archives, and what needs a key."""
    return (path.startswith("/feeds/") and len(path) > 7 and path.find("/", 7) < 0) or path == OPML_PATH


class Feeds:
    """The ASGI callable. One a process: `shelf` knows the ledger's feeds, `_bodies` keeps compressed bytes, least recently
    used out first, at most `settings.feed_cache_bytes`."""

    def __init__(self, wiring: Wiring) -> None:
        self.shelf = Shelf(wiring.db, wiring.base_url)
        self._politeness = Politeness(wiring.settings.poll_limit)
        self._readership = Readership(wiring.db)
        self._trusted = wiring.settings.trusted_proxies
        self._on_demand = OnDemand(wiring)
        self._interval = wiring.settings.feed_check_seconds
        self._room = wiring.settings.feed_cache_bytes
        self._next_check = self._changed_at = float("-inf")
        self._writing: asyncio.Future[None] | None = None
        self._check: asyncio.Future[None] | None = None
        self._bodies: OrderedDict[tuple[str, str], tuple[str, bytes]] = OrderedDict()
        self._kept = 0
        self._loading: dict[tuple[str, str], asyncio.Future[tuple[Document, bytes] | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if clock.monotonic() >= self._next_check:
            await self._look()
        path: str = scope["path"]
        method: str = scope["method"]
        if method not in ("GET", "HEAD"):
            await _say(send, 405, "Only GET and HEAD.", method, [(b"allow", b"GET, HEAD"), _NO_STORE])
            return
        document = self.shelf.documents.get(path) or await self._made(scope, send)
        if document is None:
            return
        self._on_demand.note(path)
        headers = said(scope["headers"])
        agent = headers.get(b"user-agent", b"")
        if document.feed_id and (b"subscriber" in agent or b"reader" in agent):
            self._readership.note(document.feed_id, document.format, agent)
        encoding = chosen_encoding(headers.get(b"accept-encoding", b"").decode("latin-1"))
        now = clock.now()
        status = judged(document.etag + SUFFIX[encoding], document.said_last_modified(now), headers, now)
        if status == 304:
            await send({"type": "http.response.start", "status": 304, "headers": document.validators(encoding, now)})
            await send({"type": "http.response.body", "body": b""})
            return
        if status == 412:
            await _say(send, 412, "It is not what you say it is.", method, [_NO_STORE])
            return
        if method == "GET":
            version = document.etag if is_conditional(headers) else ""
            wait = self._politeness.wait(client_of(scope, self._trusted), agent, path, clock.monotonic(), version)
            if wait:
                say = "Too often. Send If-None-Match with the ETag that you got last: 304 is never refused."
                await _say(send, 429, say, method, [(b"retry-after", str(wait).encode()), _NO_STORE])
                return
        try:
            found = await self._body(path, document, encoding)
        except SQLAlchemyError as error:
            log.warning("the ledger does not answer, and a feed is not in memory", path=path, reason=str(error))
            await _say(send, 503, "This feed cannot be read now.", method, [_SOON, _NO_STORE])
            return
        if found is None:
            await self._absent(send, path, method)
            return
        document, body = found
        start = [*document.headers(encoding, now), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    async def _made(self, scope: Scope, send: Send) -> Document | None:
        """The document of a feed that is made because somebody asks for it; else says why there is none."""
        path, method = scope["path"], scope["method"]
        outcome = Outcome("absent")
        if moved_to := self.shelf.moved(path):
            outcome = Outcome("moved", moved_to)
        elif self.shelf.is_gone(path):
            outcome = await asyncio.to_thread(self._on_demand.moved, path)
        elif self.shelf.known and not self.shelf.is_owed(path):
            outcome = await asyncio.to_thread(self._on_demand.ask, path, client_of(scope, self._trusted))
        for _ in range(2):  # a look that is under way may have begun before
            if outcome.what == "made" and path not in self.shelf.documents:
                await self._look()
        if outcome.what == "made" and path in self.shelf.documents:
            return self.shelf.documents[path]
        if outcome.what == "absent":
            await self._absent(send, path, method)
        elif outcome.what == "moved":
            moved = (b"location", outcome.address.encode())
            await _say(send, 301, "This feed has another address.", method, [moved, _FOR_AN_HOUR])
        else:
            wait = (b"retry-after", str(outcome.seconds or 2).encode())
            await _say(send, 503, "This feed is not made yet.", method, [wait, _NO_STORE])
        return None

    async def _absent(self, send: Send, path: str, method: str) -> None:
        if self.shelf.is_gone(path):
            await _say(send, 410, "This feed has ended.", method, [_FOR_AN_HOUR])
        elif not self.shelf.known or self.shelf.is_owed(path):
            await _say(send, 503, "This feed is being made.", method, [_SOON, _NO_STORE])
        else:
            await _say(send, 404, "There is no such feed.", method, [_NO_STORE])

    async def _look(self) -> None:
        """Compares with the ledger, once for all who wait; a ledger that hangs or fails leaves what is known."""
        check = self._check
        if check is None:
            check = self._check = asyncio.ensure_future(self._compare())
        done, _ = await asyncio.wait((check,), timeout=_LONGEST_WAIT)
        if not done:  # it goes on; nobody else waits for it meanwhile
            self._next_check = clock.monotonic() + max(self._interval, _LONGEST_WAIT)

    async def _compare(self) -> None:
        began = clock.monotonic()
        try:
            changed = await asyncio.to_thread(self.shelf.compare)
            if changed:
                self._changed_at = clock.monotonic()
            for path in changed:
                for stored in ("br", "gzip"):
                    self._forget((path, stored))
            await asyncio.to_thread(self._on_demand.write_down)
        except SQLAlchemyError as error:
            log.warning("the ledger does not answer; feeds are served as last known", reason=str(error))
        finally:
            ended = clock.monotonic()
            wait = self._interval / 4 if ended < self._changed_at + _BUSY else self._interval
            # With ten thousand feeds a look is 0.15 s of the processor: it leaves as much to others before the next.
            self._next_check = max(began + wait, ended + min(ended - began, self._interval))
            self._check = None
        if self._readership.due(began) and (self._writing is None or self._writing.done()):
            self._writing = asyncio.ensure_future(
                asyncio.to_thread(self._readership.write, began)
            )  # nobody waits for it

    async def _body(self, path: str, document: Document, encoding: str) -> tuple[Document, bytes] | None:
        """The document as of its bytes (which may be newer than asked for) and the bytes to send."""
        key = (path, encoding or "gzip")
        kept = self._bodies.get(key)
        if kept is not None and kept[0] == document.etag:
            self._bodies.move_to_end(key)
            data = kept[1]
        else:
            task = self._loading.get(key)
            if task is None:
                task = asyncio.ensure_future(asyncio.to_thread(self.shelf.read, path, key[1]))
                self._loading[key] = task
                task.add_done_callback(lambda _: self._loading.pop(key, None))
            found = await asyncio.shield(task)
            if found is None:
                return None
            document, data = found
            self._keep(key, document.etag, data)
        if not encoding:
            data = await asyncio.to_thread(gzip.decompress, data)
        return document, data

    def _keep(self, key: tuple[str, str], etag: str, data: bytes) -> None:
        self._forget(key)
        if len(data) > self._room:
            return
        self._bodies[key] = (etag, data)
        self._kept += len(data)
        while self._kept > self._room:
            _, (_, dropped) = self._bodies.popitem(last=False)
            self._kept -= len(dropped)

    def _forget(self, key: tuple[str, str]) -> None:
        before = self._bodies.pop(key, None)
        if before is not None:
            self._kept -= len(before[1])


async def _say(send: Send, status: int, words: str, method: str, headers: Headers) -> None:
    body = words.encode() + b"\n"
    headers = [_PLAIN, _NOSNIFF, *headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

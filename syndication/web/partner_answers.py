"""What a partner is answered: stored feeds, pages of changes, one entry; validators, compression, refusals in words.

Guarantees: what lies outside the scope is 404, as if it were not there; only the partner itself may keep an answer, and
nobody one that came from a capability address.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from datetime import datetime

import brotli
import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from syndication import clock
from syndication.errors import BadInput, NotFound, SyndicationError
from syndication.feeds.formats import FORMATS
from syndication.ledger.content import Artifact
from syndication.ledger.tables import Partner
from syndication.partners import pulling
from syndication.web.conditional import SUFFIX, chosen_encoding, http_date, judged, said
from syndication.web.partner_door import status_of
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

Headers = dict[str, str]

_ALWAYS = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
BY_TOKEN = {**_ALWAYS, "Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}
SECRET = {**_ALWAYS, "Cache-Control": "private, no-store", "Vary": "Accept-Encoding"}
WORTH_COMPRESSING = 1_000  # bytes
_ADDRESS = re.compile(r"https?://[!#-;=?-~]+")  # what may stand between the brackets of a Link header


class Answers:
    """Each takes the headers of the way by which the partner came in: BY_TOKEN or SECRET."""

    def __init__(self, wiring: Wiring) -> None:
        self._db, self._base_url = wiring.db, wiring.base_url

    def feed(self, request: Request, partner: Partner, headers: Headers, fmt: str) -> Response:
        if fmt not in FORMATS:
            raise HTTPException(404, "There are feed.rss, feed.atom and feed.json.")
        encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
        with self._db.reading() as session:
            artifact = session.get(Artifact, (partner.feed_id, fmt))
            if artifact is None:  # of a partner made a moment ago; a worker is at it
                raise HTTPException(503, "The feed is being made.", {"Retry-After": "2"})
            headers = headers | {"Content-Type": f"{FORMATS[fmt].media_type}; charset=utf-8"} | _licence(partner)
            unchanged = unchanged_answer(request, headers, artifact.etag, encoding, artifact.last_modified)
            if unchanged is not None:
                return unchanged
            body = artifact.brotli if encoding == "br" else artifact.gzip  # deferred: read only now
        _carries(request, [int(i) for i in artifact.entry_revisions], len(artifact.entry_revisions))
        return whole_answer(request, headers, body if encoding else gzip.decompress(body))

    def entries(
        self, request: Request, partner: Partner, headers: Headers, cursor: int, limit: int, series: str
    ) -> Response:
        with self._db.reading() as session:
            carried = pulling.changes(session, partner, self._base_url, cursor, limit, series)
        return self._json(request, headers | _licence(partner), carried)

    def entry(self, request: Request, partner: Partner, headers: Headers, ref: str) -> Response:
        with self._db.reading() as session:
            carried = pulling.one_entry(session, partner, self._base_url, ref)
        return self._json(request, headers | _licence(partner), carried)

    def _json(self, request: Request, headers: Headers, carried: pulling.Carried) -> Response:
        body, encoding = carried.body, ""
        if len(body) >= WORTH_COMPRESSING:
            encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
        headers = headers | {"Content-Type": "application/json"}
        etag = hashlib.sha256(body).hexdigest()[:32]
        unchanged = unchanged_answer(request, headers, etag, encoding, None)
        if unchanged is not None and not carried.withdrawn:
            return unchanged
        if encoding == "br":
            body = brotli.compress(body, quality=4)
        elif encoding == "gzip":
            body = gzip.compress(body, 6, mtime=0)
        _carries(request, carried.revisions, carried.entries)
        return whole_answer(request, headers, body, 410 if carried.withdrawn else 200)


def refused(_: Request, error: Exception) -> Response:
    """Any refusal as JSON, in words. What is our own fault is logged, without the request's address."""
    status = status_of(error)
    detail = "This cannot be answered now."
    headers = {**_ALWAYS, "Cache-Control": "no-store", **(getattr(error, "headers", None) or {})}
    if isinstance(error, HTTPException):
        detail = error.detail
    elif isinstance(error, RequestValidationError):
        detail = "; ".join(f"{e['loc'][-1]}: {e['msg']}" for e in error.errors()) + "."
    elif isinstance(error, BadInput | NotFound):
        detail = f"{error.what[:1].upper()}{error.what[1:]} {error.remedy}"
    else:
        headers["Retry-After"] = "30"
        log.error("a partner's pull failed", reason=str(error) if isinstance(error, SyndicationError) else repr(error))
    return JSONResponse({"detail": detail}, status, headers)


def unchanged_answer(
    request: Request, headers: Headers, etag: str, encoding: str, last_modified: datetime | None
) -> Response | None:
    """Puts the validators into `headers`; a 304 where the partner has these bytes already, a 412 where it wants others."""
    now = clock.now()
    if last_modified is not None and last_modified > now:
        last_modified = None  # it may lie a second ahead after quick changes
    if encoding:
        headers["Content-Encoding"] = encoding
    headers["ETag"] = f'"{etag}{SUFFIX[encoding]}"'
    if last_modified is not None:
        headers["Last-Modified"] = http_date(last_modified)
    status = judged(etag + SUFFIX[encoding], last_modified, said(request.headers.raw), now)
    if not status:
        return None
    return Response(status_code=status, headers={k: v for k, v in headers.items() if not k.startswith("Content-")})


def whole_answer(request: Request, headers: Headers, body: bytes, status: int = 200) -> Response:
    headers = headers | {"Content-Length": str(len(body))}
    return Response(b"" if request.method == "HEAD" else body, status, headers)


def _carries(request: Request, revisions: list[int], entries: int) -> None:
    """For the record; see `partner_door.recorded`."""
    request.state.revisions, request.state.entries = revisions, entries


def _licence(partner: Partner) -> Headers:
    """A feed is shared by partners of equal scope; what was agreed with this one stands in a header where it is an address."""
    return {"Link": f'<{partner.licence}>; rel="license"'} if _ADDRESS.fullmatch(partner.licence) else {}

"""The partner API at /partners: feeds and changes of a partner's own series, by Bearer, Basic or capability address.

Guarantees: wrong, missing and revoked keys are 401; what lies outside the scope is 404, as if it were not there; every
pull is recorded; a capability address is off by default, never cached, never indexed, and no answer repeats it.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.routing import BaseRoute, Mount

from syndication.errors import NotFound
from syndication.feeds.formats import FORMATS
from syndication.ledger.content import Artifact, Publication
from syndication.ledger.lookup import series_named
from syndication.ledger.tables import Partner
from syndication.partners import keys, pulling
from syndication.partners.records import ChangesPage, EntryRecord, entry_record
from syndication.web.conditional import SUFFIX, chosen_encoding, names_tag
from syndication.wiring import Wiring

_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "No key, a wrong one, or a revoked one"},
    404: {"description": "Not in your series"},
}


def routes(wiring: Wiring) -> list[BaseRoute]:
    return [Mount("/partners", app=create_api(wiring))]


def create_api(wiring: Wiring) -> FastAPI:
    api = FastAPI(
        title="Partner API",
        description="Full text of your series, with credit, licence and the publisher's notice inside. Send your token as "
        "`Authorization: Bearer …`, or as the password of Basic. Ask again with the ETag you were given.",
        version="1",
        docs_url=None,
        redoc_url=None,
    )
    pulls = _Pulls(wiring)

    @api.get("/v1/feed.{fmt}", responses={**_REFUSED, 200: {"description": "RSS, Atom or JSON Feed"}})
    def feed(request: Request, fmt: str) -> Response:
        """The newest entries of your series: `feed.rss`, `feed.atom` or `feed.json`."""
        return pulls.feed(request, _partner(wiring, request), fmt)

    @api.get("/v1/entries", response_model=ChangesPage, responses=_REFUSED)
    def entries(
        request: Request,
        cursor: Annotated[int, Query(ge=0, le=2**62, description="`next_cursor` of the last page; 0 begins")] = 0,
        limit: Annotated[int, Query(ge=1, le=100, description="Entries a page")] = 50,
        series: Annotated[str, Query(description="Only this one of your series, by slug")] = "",
    ) -> Response:
        """Changes in order: new entries, corrections, withdrawals. An entry that changed again comes again."""
        return pulls.entries(request, _partner(wiring, request), cursor, limit, series)

    @api.get(
        "/v1/entries/{ref:path}", response_model=EntryRecord, responses={**_REFUSED, 410: {"description": "Withdrawn"}}
    )
    def entry(request: Request, ref: str) -> Response:
        """One entry by its number or `tag:` id."""
        return pulls.entry(request, _partner(wiring, request), ref)

    @api.get("/c/{secret}/feed.{fmt}", include_in_schema=False)
    def capability_feed(request: Request, secret: str, fmt: str) -> Response:
        return _hidden(pulls.feed(request, _by_capability(wiring, secret), fmt))

    @api.get("/c/{secret}/entries", include_in_schema=False)
    def capability_entries(
        request: Request, secret: str, cursor: Annotated[int, Query(ge=0, le=2**62)] = 0
    ) -> Response:
        return _hidden(pulls.entries(request, _by_capability(wiring, secret), cursor, 50, ""))

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(wiring.renderer.render("web/partners/docs.html", api=api.openapi()))

    return api


class _Pulls:
    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring

    def feed(self, request: Request, partner: Partner, fmt: str) -> Response:
        if fmt not in FORMATS:
            raise HTTPException(404, "There are feed.rss, feed.atom and feed.json.")
        encoding = chosen_encoding(request.headers.get("accept-encoding", ""))
        with self.wiring.db.reading() as session:
            artifact = session.get(Artifact, (partner.feed_id, fmt))
            if artifact is None:  # made a moment ago; a worker is at it
                raise HTTPException(503, "The feed is being made.", {"Retry-After": "2"})
            body = artifact.brotli if encoding == "br" else artifact.gzip
            revisions = [int(i) for i in artifact.entry_revisions]
            etag = artifact.etag + SUFFIX[encoding]
        if not encoding:
            body = gzip.decompress(body)
        headers = {"Content-Encoding": encoding} if encoding else {}
        return self._answer(request, partner, fmt, body, etag, FORMATS[fmt].media_type, revisions, headers)

    def entries(self, request: Request, partner: Partner, cursor: int, limit: int, series: str) -> Response:
        with self.wiring.db.reading() as session:
            series_id = None
            if series:
                try:
                    series_id = series_named(session, series).id
                except NotFound:
                    series_id = -1
                if series_id == -1 or (partner.series_ids and series_id not in partner.series_ids):
                    self._record(partner, "entries", 404, 0, [])
                    raise HTTPException(404, "This is none of your series.")
            found = pulling.changes(session, partner, cursor, limit, series_id)
            publication = session.get_one(Publication, partner.publication_id)
            records = [entry_record(session, publication, e, self.wiring.base_url) for e in found.entries]
            revisions = [e.revision_id for e in found.entries if e.state == "published" and e.revision_id]
        page = ChangesPage(entries=records, next_cursor=str(found.cursor), more=found.more)
        return self._json(request, partner, "entries", page, revisions)

    def entry(self, request: Request, partner: Partner, ref: str) -> Response:
        with self.wiring.db.reading() as session:
            found = pulling.visible_entry(session, partner, ref)
            if found is None:
                self._record(partner, "entry", 404, 0, [])
                raise HTTPException(404, "There is no such entry in your series.")
            publication = session.get_one(Publication, partner.publication_id)
            record = entry_record(session, publication, found, self.wiring.base_url)
            withdrawn = found.state == "withdrawn"
            revisions = [] if withdrawn or found.revision_id is None else [found.revision_id]
        return self._json(request, partner, "entry", record, revisions, 410 if withdrawn else 200)

    def _json(
        self,
        request: Request,
        partner: Partner,
        what: str,
        record: ChangesPage | EntryRecord,
        revisions: list[int],
        status: int = 200,
    ) -> Response:
        body = orjson.dumps(record.model_dump(mode="json"))
        etag = hashlib.sha256(body).hexdigest()[:32]
        return self._answer(request, partner, what, body, etag, "application/json", revisions, {}, status)

    def _answer(
        self,
        request: Request,
        partner: Partner,
        what: str,
        body: bytes,
        etag: str,
        media_type: str,
        revisions: list[int],
        headers: dict[str, str],
        status: int = 200,
    ) -> Response:
        common = {"ETag": f'"{etag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization, Accept-Encoding"}
        if status == 200 and names_tag(request.headers.get("if-none-match", ""), etag):
            self._record(partner, what, 304, 0, [])
            return Response(status_code=304, headers=common)
        self._record(partner, what, status, len(body), revisions)
        return Response(body, status, headers={**common, **headers}, media_type=media_type)

    def _record(self, partner: Partner, what: str, status: int, size: int, revisions: list[int]) -> None:
        with self.wiring.db.transaction() as session:
            pulling.record_pull(session, partner.id, what, status, size, revisions)


def _partner(wiring: Wiring, request: Request) -> Partner:
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    token = ""
    if scheme.lower() == "bearer":
        token = rest.strip()
    elif scheme.lower() == "basic":
        try:
            token = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            token = ""
    with wiring.db.reading() as session:
        partner = keys.authenticate(session, token) if token else None
    if partner is None:
        challenge = 'Bearer realm="partners", Basic realm="partners", charset="UTF-8"'
        raise HTTPException(401, "Send your partner token.", {"WWW-Authenticate": challenge})
    return partner


def _by_capability(wiring: Wiring, secret: str) -> Partner:
    with wiring.db.reading() as session:
        partner = keys.by_capability(session, secret)
    if partner is None:
        raise HTTPException(404, "There is nothing here.", _HIDDEN)
    return partner


_HIDDEN = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}


def _hidden(response: Response) -> Response:
    response.headers.update(_HIDDEN)
    return response

"""Images at `/media/<sha256>.<ext>`: only while a published entry's present text shows them (guarantee 8)."""

from __future__ import annotations

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndication.ledger.content import Entry, Media, MediaUse
from syndication.web.conditional import names_tag
from syndication.wiring import Wiring

TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


def routes(wiring: Wiring) -> list[BaseRoute]:
    def media(request: Request) -> Response:
        sha256, _, ext = request.path_params["name"].partition(".")
        with wiring.db.reading() as session:
            found = session.execute(
                select(Media.data, Media.ext)
                .join(MediaUse, MediaUse.sha256 == Media.sha256)
                .join(Entry, Entry.revision_id == MediaUse.revision_id)
                .where(Media.sha256 == sha256, Entry.state == "published")
                .limit(1)
            ).first()
        if found is None or found.ext != ext or ext not in TYPES:
            raise HTTPException(404)
        etag = sha256[:32]
        headers = {
            "etag": f'"{etag}"',
            # A day, not for ever: an image of a withdrawn entry must leave the caches too.
            "cache-control": "public, max-age=86400",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'",
            "access-control-allow-origin": "*",
        }
        asked = request.headers.get("if-none-match")
        if asked and names_tag(asked, etag):
            return Response(status_code=304, headers=headers)
        return Response(found.data, media_type=TYPES[ext], headers=headers)

    return [Route("/media/{name}", media)]

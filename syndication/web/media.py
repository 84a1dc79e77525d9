"""Images and attachments at `/media/<sha256>.<ext>`: only while a published entry's present text shows them (guarantee 8).

Players of sound and films ask for parts of a file: one range at a time (RFC 9110 §14), read as that part alone.
"""

from __future__ import annotations

import re

from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndication.feeds.view import MEDIA_TYPES
from syndication.ledger.content import Entry, Media, MediaUse
from syndication.web.conditional import names_tag
from syndication.wiring import Wiring

_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def routes(wiring: Wiring) -> list[BaseRoute]:
    def media(request: Request) -> Response:
        sha256, _, ext = request.path_params["name"].partition(".")
        with wiring.db.reading() as session:
            found = session.execute(
                select(Media.ext, func.length(Media.data).label("size"))
                .join(MediaUse, MediaUse.sha256 == Media.sha256)
                .join(Entry, Entry.revision_id == MediaUse.revision_id)
                .where(Media.sha256 == sha256, Entry.state == "published")
                .limit(1)
            ).first()
            if found is None or found.ext != ext or ext not in MEDIA_TYPES:
                raise HTTPException(404)
            etag = sha256[:32]
            headers = {
                "etag": f'"{etag}"',
                # A day, not for ever: a file of a withdrawn entry must leave the caches too.
                "cache-control": "public, max-age=86400",
                "accept-ranges": "bytes",
                "x-content-type-options": "nosniff",
                "content-security-policy": "default-src 'none'",
                "access-control-allow-origin": "*",
            }
            asked = request.headers.get("if-none-match")
            if asked and names_tag(asked, etag):
                return Response(status_code=304, headers=headers)
            same = request.headers.get("if-range", headers["etag"]) == headers["etag"]
            part = wanted_part(request.headers.get("range", ""), found.size) if same else None
            data = Media.data if part is None else func.substr(Media.data, part.start + 1, len(part))
            if part is not None and not part:
                headers["content-range"] = f"bytes */{found.size}"
                return Response(status_code=416, headers=headers)
            body = session.execute(select(data).where(Media.sha256 == sha256)).scalar_one()
        if part is None:
            return Response(body, media_type=MEDIA_TYPES[ext], headers=headers)
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{found.size}"
        return Response(body, 206, headers, MEDIA_TYPES[ext])

    return [Route("/media/{name}", media)]


def wanted_part(asked: str, size: int) -> range | None:
    """The bytes of one range; None where all of it is to be sent; an empty one cannot be had."""
    found = _RANGE.fullmatch(asked)
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(size, int(last) + 1 if last else size))

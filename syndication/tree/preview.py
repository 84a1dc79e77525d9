"""`syndicate preview`: an entry as it would go out if it were published now, as files that need no service.

It is published in memory, through every gate, by the very code that will do it, and nothing of that is kept: no number is
taken, nobody is told. The files lie in a directory that is the editor's own, never in a public place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from syndication.errors import NeedsHuman
from syndication.feeds.disclaimers import require_once
from syndication.ledger import notices
from syndication.ledger.content import Entry, Media, Publication
from syndication.ledger.lookup import content_of, the_publication
from syndication.mail import headers
from syndication.mail.loading import Press, frame_of, text_of
from syndication.mail.splice import fill
from syndication.press import Plan, rehearsed
from syndication.publishing import publish_one
from syndication.rendering import SHIPPED
from syndication.web import shown
from syndication.web.pages import render
from syndication.wiring import Wiring

_NOBODY = "A" * 22  # a handle that nobody has
_ICON = '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
_SHEET = '<link rel="stylesheet" href="/static/site.css">'


@dataclass(frozen=True, slots=True)
class Preview:
    """Where the files are. `page` is empty where the entry's page is the publisher's own."""

    page: str
    mail: str
    text: str
    subject: str


def preview(wiring: Wiring, entry_id: int, directory: Path) -> Preview:
    """Writes `page.html`, `mail.html`, `mail.txt` and `media/`. Raises what `publish` would, NeedsHuman for the directory."""

    at: datetime | None = None

    def decide(session: Session, plan: Plan) -> None:
        nonlocal at
        entry = session.get_one(Entry, entry_id)
        at = entry.scheduled_at if entry.published_at is None else None
        publish_one(session, plan, entry, False)

    with rehearsed(wiring.db, wiring.base_url, decide) as session:
        entry, publication = session.get_one(Entry, entry_id), the_publication(session)
        entry.published_at = at or entry.published_at
        page, on_page = _page(wiring, session, entry)
        subject, html, text, in_mail = _mail(wiring, session, publication, entry)
        assert entry.revision is not None
        media = {
            f"{found.sha256}.{found.ext}": found.data
            for found in session.scalars(
                select(Media).where(Media.sha256.in_(content_of(entry.revision).media)).options(undefer(Media.data))
            )
        }
    written = {
        name: _at_hand(wiring.base_url, words)
        for name, words in (("page.html", page), ("mail.html", html), ("mail.txt", text))
    }
    for name, notice in (("page.html", on_page), ("mail.html", in_mail), ("mail.txt", in_mail)):
        if written[name]:  # these are the final bytes
            form: Literal["html", "text"] = "text" if name.endswith(".txt") else "html"
            require_once(written[name], notice, channel="preview", template=name, form=form, where=entry.slug)
    _write(directory, written, media)
    return Preview(
        str(directory / "page.html") if page else "", str(directory / "mail.html"), str(directory / "mail.txt"), subject
    )


def _page(wiring: Wiring, session: Session, entry: Entry) -> tuple[str, str]:
    """(HTML, its notice); empty where the page is the publisher's own."""
    found = shown.entry(session, wiring.base_url, entry.series.slug, entry.slug)
    if not isinstance(found, shown.Shown):
        return "", ""
    html = render(wiring, "web/entry.html", **found.context)
    require_once(html, found.notice_text, channel="web page", template="web/entry.html", where=entry.slug)
    return html.replace(_ICON, "").replace(_SHEET, f"<style>{_style(wiring)}</style>"), found.notice_text


def _style(wiring: Wiring) -> str:
    own = wiring.settings.templates_dir
    places = [folder / "web/static/site.css" for folder in (own, SHIPPED) if folder is not None]
    return next(place for place in places if place.is_file()).read_text("utf-8")


def _mail(wiring: Wiring, session: Session, publication: Publication, entry: Entry) -> tuple[str, str, str, str]:
    """(subject, HTML part, text part, their notice) of the mail at once."""
    assert entry.revision is not None
    text = text_of(entry.revision, entry, publication, wiring.base_url)
    notice = notices.current(session, publication.id, publication.language)
    source = frame_of(session, publication, [text], wiring.base_url, publication.language, notice.id, "preview")
    press = Press(wiring.renderer.render, wiring.base_url, wiring.settings.mail_max_html_bytes)
    compiled = press.compile(source, [text])
    values = {"to": "preview@localhost", "date": headers.date_now(), "message_id": "<preview@localhost>"}
    values |= dict.fromkeys(("unsubscribe", "preferences", "browser"), _NOBODY)
    message = message_from_bytes(fill(compiled, values), policy=policy.default)
    parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
    return compiled.subject, parts["text/html"], parts["text/plain"], notice.text


def _at_hand(base_url: str, words: str) -> str:
    """Pictures come from beside the file, links lead to the service."""
    words = re.sub(rf"(?:{re.escape(base_url)})?/media/([0-9a-f]{{64}}\.\w+)", r"media/\1", words)
    return words.replace('href="/', f'href="{base_url}/')


def _write(directory: Path, texts: Mapping[str, str], media: Mapping[str, bytes]) -> None:
    try:
        (directory / "media").mkdir(parents=True, exist_ok=True)
        for name, data in media.items():
            (directory / "media" / name).write_bytes(data)
        for name, words in texts.items():
            (directory / name).unlink(missing_ok=True)
            if words:
                (directory / name).write_text(words, "utf-8")
    except OSError as error:
        raise NeedsHuman(
            f"the preview cannot be written ({error.strerror});", where=str(directory), remedy="name another directory."
        ) from error

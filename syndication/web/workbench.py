"""`/workbench`: one entry in four panes as it really went out (feed reader, HTML mail, text mail, partner).

The notice is marked and counted in each. It reads stored artifacts and the outbox, and renders nothing anew. On loopback only.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import orjson
from lxml import etree
from markupsafe import Markup
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from syndication.content import PublishedNotice
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Feed
from syndication.ledger.lookup import content_of, the_publication
from syndication.ledger.mailings import Delivery, Edition, EditionEntry, Issue
from syndication.ledger.partners import Partner
from syndication.ledger.states import DELIVERY_STATES
from syndication.web import outbox
from syndication.web.loopback import headers, only_here
from syndication.web.marking import mark_html, mark_text
from syndication.wiring import Wiring

OFFERED = 20  # entries to choose from
_ATOM = "{http://www.w3.org/2005/Atom}"


@dataclass(frozen=True, slots=True)
class Pane:
    """`count` None: nothing of this channel has gone out, and `words` says why. Else there is a `document` (HTML, shown in a
    frame) or a `marked` text."""

    title: str
    key: str
    words: str
    count: int | None = None
    document: str = ""
    marked: Markup = field(default_factory=Markup)
    link: str = ""


def routes(wiring: Wiring) -> list[BaseRoute]:
    def bench(request: Request) -> Response:
        with wiring.db.reading() as session:
            publication = the_publication(session)
            offered = session.scalars(
                select(Entry)
                .where(Entry.publication_id == publication.id, Entry.state == "published")
                .order_by(Entry.published_at.desc(), Entry.id.desc())
                .limit(OFFERED)
            ).all()
            entry = _chosen(session, request.path_params.get("entry"), wiring, list(offered))
            feeds = session.scalars(select(Feed.name).where(Feed.private.is_(False), Feed.gone.is_(False))).all()
            html = wiring.renderer.render(
                "web/workbench.html",
                publication=publication,
                entry=entry,
                title=entry.revision.title if entry and entry.revision else "",
                offered=[(e.id, e.revision.title) for e in offered if e.revision],
                panes=_panes(session, wiring, entry) if entry else [],
                equation=_equation(session),
                feeds=sorted(feeds),
            )
        return HTMLResponse(html, headers=headers(wiring))

    def framed(request: Request) -> Response:
        with wiring.db.reading() as session:
            entry = _chosen(session, request.path_params["entry"], wiring, [])
            panes = _panes(session, wiring, entry) if entry else []
        for pane in panes:
            if pane.key == request.path_params["pane"] and pane.document:
                return outbox.framed(wiring, pane.document)
        raise HTTPException(404)

    return [
        Route("/workbench", only_here(wiring, bench)),
        Route("/workbench/{entry:int}", only_here(wiring, bench)),
        Route("/workbench/{entry:int}/{pane}", only_here(wiring, framed)),
    ]


def _chosen(session: Session, number: int | None, wiring: Wiring, offered: list[Entry]) -> Entry | None:
    """The published entry of that number (404 else); without one the newest that was mailed, else the newest."""
    if number is not None:
        entry = session.get(Entry, number)
        if entry is None or entry.state != "published":
            raise HTTPException(404)
        return entry
    mailed = (e for e in offered if _mail(session, wiring, e) is not None)
    return next(mailed, offered[0] if offered else None)


def _panes(session: Session, wiring: Wiring, entry: Entry) -> list[Pane]:
    publication = the_publication(session)
    assert entry.revision is not None  # a published entry has one
    language = content_of(entry.revision).language or publication.language
    notice = notices.current(session, publication.id, language)
    return [
        _feed_pane(session, entry, notice, language),
        *_mail_panes(session, wiring, entry),
        _partner_pane(session, entry, notice),
    ]


def _feed_pane(session: Session, entry: Entry, notice: PublishedNotice, language: str) -> Pane:
    title, key = "In a feed reader", "feed-reader"
    for name in (entry.series.slug, "all"):
        body = _artifact(session, Feed.name == name, "atom")
        for item in etree.fromstring(body).iter(f"{_ATOM}entry") if body else ():
            if item.findtext(f"{_ATOM}id") == entry.tag_uri:
                content = item.findtext(f"{_ATOM}content") or ""
                document = str(
                    Markup(
                        '<!doctype html><html lang="{}"><head><meta charset="utf-8"><meta name="color-scheme" '
                        'content="light dark"><title>{}</title><style>{}</style></head><body><h1>{}</h1>{}</body></html>'
                    ).format(
                        language,
                        item.findtext(f"{_ATOM}title"),
                        _READER,
                        item.findtext(f"{_ATOM}title"),
                        Markup(content),  # noqa: S704  # shown in a sandboxed frame without scripts
                    )
                )
                return Pane(
                    title,
                    key,
                    "The content of the Atom entry, as a reader shows it.",
                    count_html(content, notice.text),
                    document=mark_html(document, notice.text),
                    link=f"/feeds/{name}.atom",
                )
    return Pane(
        title, key, "No feed shows this entry: it is older than the newest twenty, or the feed is still to be rendered."
    )


def _mail_panes(session: Session, wiring: Wiring, entry: Entry) -> list[Pane]:
    sent = _mail(session, wiring, entry)
    if sent is None:
        words = "No mail with this entry lies in the outbox yet. At once, daily and weekly digests go out at their own times."
        return [Pane("As HTML mail", "mail", words), Pane("As text mail", "text", words)]
    delivery, notice, mail = sent
    link = f"/outbox/{delivery}"
    html, text = outbox.part(mail, "html"), outbox.part(mail, "plain")
    return [
        Pane(
            "As HTML mail",
            "mail",
            f"Delivery {delivery}: {mail['subject']}",
            count_html(html, notice.text),
            document=mark_html(html, notice.text) if html else "",
            link=link,
        ),
        Pane(
            "As text mail",
            "text",
            "The same message, for those who read text or have it read aloud.",
            count_text(text, notice.text),
            marked=mark_text(text, notice.text),
            link=link,
        ),
    ]


def _mail(session: Session, wiring: Wiring, entry: Entry) -> tuple[int, PublishedNotice, EmailMessage] | None:
    """The newest message in the outbox that carries the entry, with the notice its edition pins."""
    editions = {
        row.id: row.notice_id
        for row in session.execute(
            select(Delivery.id, Edition.notice_id)
            .join(Edition, Edition.id == Delivery.edition_id)
            .join(EditionEntry, EditionEntry.edition_id == Edition.id)
            .where(EditionEntry.entry_id == entry.id)
            .order_by(Delivery.id.desc())
            .limit(1_000)
        )
    }
    for found in outbox.kept(wiring.settings) if editions else ():
        if found.delivery in editions:
            notice = notices.by_id(session, editions[found.delivery])
            return found.delivery, notice, outbox.read(found.path)
    return None


def _partner_pane(session: Session, entry: Entry, notice: PublishedNotice) -> Pane:
    title, key = "As a partner's JSON", "partner"
    partners = session.execute(
        select(Partner.name, Partner.feed_id).where(Partner.revoked_at.is_(None)).order_by(Partner.id)
    ).all()
    for partner in partners:
        body = _artifact(session, Feed.id == partner.feed_id, "json")
        for item in orjson.loads(body)["items"] if body else ():
            if item["id"] == entry.tag_uri:
                printed = orjson.dumps(item, option=orjson.OPT_INDENT_2).decode()
                count = sum(count_html(value, notice.text) for value in _strings(item))
                words = f"The entry in the JSON Feed that {partner.name} pulls."
                return Pane(title, key, words, count, marked=mark_text(printed, notice.text))
    if not partners:
        return Pane(title, key, "There is no partner yet. `syndicate partners add NAME --series …` makes one.")
    return Pane(title, key, "No partner's feed shows this entry: it is not in their series, or still to be rendered.")


def _artifact(session: Session, which: Any, fmt: str) -> bytes:
    """The identity bytes of a stored feed; empty where it was never rendered."""
    stored = session.scalar(
        select(Artifact.gzip).join(Feed, Feed.id == Artifact.feed_id).where(which, Artifact.format == fmt)
    )
    return gzip.decompress(stored) if stored else b""


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _strings(each)]


def _equation(session: Session) -> dict[str, Any] | None:
    """The newest issue: what guarantee 3 adds up to, with numbers."""
    issue = session.scalars(select(Issue).order_by(Issue.id.desc()).limit(1)).first()
    if issue is None:
        return None
    found = session.execute(
        select(Delivery.state, func.count()).where(Delivery.issue_id == issue.id).group_by(Delivery.state)
    )
    counted = {state: count for state, count in found}  # noqa: C416  # a Row is a tuple; dict() loses its types
    terms = [(state, counted.get(state, 0)) for state in DELIVERY_STATES]
    return {
        "issue": issue.id,
        "cadence": issue.cadence,
        "state": issue.state,
        "eligible": issue.eligible,
        "terms": terms,
        "holds": issue.eligible == sum(count for _, count in terms),
    }


_READER = Markup(
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:1rem auto;padding:0 1rem;overflow-wrap:break-word}"
    "img{max-width:100%;height:auto}h1{font-size:1.4rem;line-height:1.2}mark{background:#ffe58f;color:#1d2327}"
    "mark a{color:#0a5a78}"
)

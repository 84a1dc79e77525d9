"""One entry as it really went out, channel by channel: the stored feed, the mail in the outbox, a partner's stored feed.

Counting is done on those bytes, read back as their receiver reads them; nothing is rendered anew.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Any

import orjson
from lxml import etree
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.content import PublishedNotice
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import notices
from syndication.ledger.content import Artifact, Entry, Feed
from syndication.ledger.lookup import content_of, the_publication
from syndication.ledger.mailings import Delivery, Edition, EditionEntry
from syndication.ledger.partners import Partner
from syndication.web import outbox
from syndication.web.marking import mark_html, mark_text

_ATOM = "{http://www.w3.org/2005/Atom}"
_NEWEST = 1_000  # deliveries of an entry that are looked for in the outbox
_READER = Markup(
    "body{font:1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:1rem auto;padding:0 1rem;overflow-wrap:break-word}"
    "img{max-width:100%;height:auto}h1{font-size:1.4rem;line-height:1.2}"
)


@dataclass(frozen=True, slots=True)
class Pane:
    """`count` None: nothing of this channel has gone out, and `words` says why. Else there is a `document` (HTML, shown in a
    frame) or a `marked` text. `link` leads to the whole of it, or says how it is pulled."""

    title: str
    key: str
    words: str
    count: int | None = None
    document: str = ""
    marked: Markup = field(default_factory=Markup)
    link: str = ""
    link_words: str = "The whole of it"


def panes_of(session: Session, entry: Entry, mails: list[outbox.Kept]) -> list[Pane]:
    """Feed reader, HTML mail, text mail, partner, in this order. `mails` is the outbox, newest first."""
    assert entry.revision is not None, "a published entry has a text"
    publication = the_publication(session)
    language = content_of(entry.revision).language or publication.language
    notice = notices.current(session, publication.id, language)
    return [
        _feed_pane(session, entry, notice, language),
        *_mail_panes(session, entry, mails),
        _partner_pane(session, entry, notice),
    ]


def mailed(session: Session, entries: list[Entry], mails: list[outbox.Kept]) -> Entry | None:
    """The first of the entries that a mail in the outbox carries."""
    return next((e for e in entries if _newest_mail(session, e, mails) is not None), None)


def _feed_pane(session: Session, entry: Entry, notice: PublishedNotice, language: str) -> Pane:
    title, key = "In a feed reader", "feed-reader"
    for name in (entry.series.slug, "all"):
        body = _artifact(session, Feed.name == name, "atom")
        for item in etree.fromstring(body).iter(f"{_ATOM}entry") if body else ():
            if item.findtext(f"{_ATOM}id") == entry.tag_uri:
                content = item.findtext(f"{_ATOM}content") or ""
                return Pane(
                    title,
                    key,
                    f"The entry in the Atom feed “{name}”, as a reader shows it.",
                    count_html(content, notice.text),
                    document=mark_html(_as_page(item.findtext(f"{_ATOM}title") or "", content, language), notice.text),
                    link=f"/feeds/{name}.atom",
                    link_words="The feed",
                )
    return Pane(
        title, key, "No feed shows this entry: it is older than the newest twenty, or the feed is still to be rendered."
    )


def _as_page(title: str, content: str, language: str) -> str:
    page = Markup(
        '<!doctype html><html lang="{}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        "<title>{}</title><style>{}</style></head><body><h1>{}</h1>{}</body></html>"
    )
    return page.format(language, title, _READER, title, Markup(content))  # noqa: S704  # in a sandboxed frame, no scripts


def _mail_panes(session: Session, entry: Entry, mails: list[outbox.Kept]) -> list[Pane]:
    found = _newest_mail(session, entry, mails)
    if found is None:
        words = "No mail with this entry lies in the outbox yet. At once, daily and weekly digests go out at their own times."
        return [Pane("As HTML mail", "mail", words), Pane("As text mail", "text", words)]
    kept, notice_id = found
    notice, mail = notices.by_id(session, notice_id), outbox.read(kept.path)
    html, text = outbox.part(mail, "html"), outbox.part(mail, "plain")
    link, link_words = f"/outbox/{kept.delivery}", "The message"
    return [
        Pane(
            "As HTML mail",
            "mail",
            f"To {mail['to']}: “{mail['subject']}”",
            count_html(html, notice.text),
            document=mark_html(html, notice.text) if html else "",
            link=link,
            link_words=link_words,
        ),
        Pane(
            "As text mail",
            "text",
            "The same message, for those who read text or have it read aloud.",
            count_text(text, notice.text),
            marked=mark_text(text, notice.text, "notice-text"),
            link=link,
            link_words=link_words,
        ),
    ]


def _newest_mail(session: Session, entry: Entry, mails: list[outbox.Kept]) -> tuple[outbox.Kept, int] | None:
    """The newest message that carries the entry, and the id of the notice that its edition pins."""
    if not mails:
        return None
    query = (
        select(Delivery.id, Edition.notice_id)
        .join(Edition, Edition.id == Delivery.edition_id)
        .join(EditionEntry, EditionEntry.edition_id == Edition.id)
        .where(EditionEntry.entry_id == entry.id)
        .order_by(Delivery.id.desc())
        .limit(_NEWEST)
    )
    noticed = {delivery: notice for delivery, notice in session.execute(query)}  # noqa: C416  # a Row is a tuple; see mypy
    return next(((kept, noticed[kept.delivery]) for kept in mails if kept.delivery in noticed), None)


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
                return Pane(
                    title,
                    key,
                    f"The entry in the JSON Feed that {partner.name} pulls.",
                    sum(count_html(value, notice.text) for value in _strings(item)),
                    marked=mark_text(printed, notice.text, "notice-partner"),
                    link="/partners/docs",
                    link_words="How partners pull",
                )
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

"""View in browser: the edition somebody got, as a page without their personal links.

It says what is true now: a corrected entry has its corrected text and says so, a withdrawn one is named without its text.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.errors import NotFound
from syndication.ledger import past
from syndication.ledger.content import Entry, Publication, Revision
from syndication.ledger.mailings import Delivery, Edition, Issue
from syndication.mail.blocks import EntryText, Render, compile_block
from syndication.mail.edition import browser_page
from syndication.mail.loading import source_of, text_of
from syndication.mail.words import words_for


def page_of(session: Session, render: Render, base_url: str, delivery_id: int) -> str:
    """The HTML of a delivery's edition, the notice once. NotFound where there is none."""
    edition = _edition_of(session, delivery_id)
    if edition is None:
        raise NotFound("this mail is no longer kept;", remedy="see the publication's own pages.")
    source, _ = source_of(session, edition, base_url)
    issue = session.get_one(Issue, edition.issue_id)
    texts = _texts_today(session, edition, session.get_one(Publication, issue.publication_id), base_url)
    return browser_page(render, source, [compile_block(render, text) for text in texts])


def _edition_of(session: Session, delivery_id: int) -> Edition | None:
    delivery = session.get(Delivery, delivery_id)
    if delivery is not None:
        return session.get(Edition, delivery.edition_id) if delivery.edition_id else None
    found = past.find(session, delivery_id)
    return found.as_edition() if found else None


def _texts_today(session: Session, edition: Edition, publication: Publication, base_url: str) -> list[EntryText]:
    rows = session.execute(
        select(Revision, Entry).join(Entry, Entry.id == Revision.entry_id).where(Revision.id.in_(edition.revisions))
    ).unique()
    texts: dict[int, EntryText] = {}
    for pinned, entry in rows:
        if entry.state != "published":
            gone = text_of(pinned, entry, publication, base_url)
            texts[pinned.id] = replace(
                gone, standfirst="", summary="", body_html="", authors=(), related=(), notes=(),
                remark=words_for(gone.language).withdrawn,
            )  # fmt: skip
        elif entry.revision is not None and entry.revision.id != pinned.id:
            now = text_of(entry.revision, entry, publication, base_url)
            texts[pinned.id] = replace(now, remark=words_for(now.language).corrected)
        else:
            texts[pinned.id] = text_of(pinned, entry, publication, base_url)
    return [texts[id_] for id_ in edition.revisions]

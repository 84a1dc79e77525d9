"""Word of a correction or a withdrawal as an entry of its own: readers do not mark an entry that changed as unread.

It is written down in the act that it tells of, scheduled for at once, and published as every entry is, so a crash loses
neither. Its id says which change it tells of. Nobody gets it by mail unless somebody says so.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import locales
from syndication.content import EntryContent
from syndication.feeds.words import words
from syndication.ledger.content import Draft, Entry, Publication
from syndication.ledger.db import ledger_now, ring_after_commit
from syndication.ledger.lookup import content_of

Kind = Literal["correction", "retraction", "withdrawal"]
SEVERITIES = ("typo", "correction", "retraction")  # a typo is announced nowhere


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an act has to tell. `tag_uri` is its own id; `number` that of the change among the entry's."""

    kind: Kind
    entry_id: int
    number: int
    tag_uri: str
    remark: str
    at: datetime
    mail: bool = False

    @property
    def identity(self) -> str:
        return f"{self.kind}:{self.entry_id}:{self.number}"


def owe(session: Session, publication: Publication, told: Announcement) -> None:
    """An entry beside the one it tells of, due now; once for each change."""
    if session.scalars(select(Entry.id).where(Entry.identity == told.identity)).first() is not None:
        return
    about = session.get_one(Entry, told.entry_id)
    content = _content(publication, about, told)
    entry = Entry(
        publication_id=publication.id, series_id=about.series_id, identity=told.identity, tag_uri=told.tag_uri,
        slug=f"{about.slug[:160]}-{told.kind}-{told.number}", state="scheduled", scheduled_at=ledger_now(session),
        mail_wanted=told.mail, created_at=told.at,
    )  # fmt: skip
    session.add(entry)
    session.flush()
    session.add(
        Draft(
            entry_id=entry.id, content=content.model_dump(mode="json"), source=told.identity, source_hash=told.identity,
            imported_at=told.at,
        )
    )  # fmt: skip
    ring_after_commit(session, "publish.publish_due")


def of_withdrawal(session: Session, entry: Entry) -> list[Entry]:
    """The published word that an entry was withdrawn: it is wrong once the entry is back."""
    mine = Entry.identity.startswith(f"withdrawal:{entry.id}:")
    return list(session.scalars(select(Entry).where(mine, Entry.state == "published").order_by(Entry.id)).unique())


def _content(publication: Publication, about: Entry, told: Announcement) -> EntryContent:
    assert about.revision is not None, "what changed was published"
    was = content_of(about.revision)
    said = words(was.language or publication.language)
    day = locales.day(told.at.astimezone(ZoneInfo(publication.timezone)), was.language or publication.language)
    title, sentence = {
        "correction": (said.correction, said.was_corrected),
        "retraction": (said.retraction, said.was_retracted),
        "withdrawal": (said.withdrawal, said.was_withdrawn),
    }[told.kind]
    whole = sentence.format(title=was.title, date=day)
    body = f"<p>{html.escape(whole)}</p>"
    if told.remark:
        body += f"<p>{html.escape(told.remark)}</p>"
    if told.kind != "withdrawal":
        target = was.canonical_url or f"page:{about.series.slug}/{about.slug}/"
        body += f'<p><a href="{html.escape(target)}">{html.escape(was.title)}</a></p>'
    return EntryContent(
        title=title.format(title=was.title), standfirst=told.remark or whole, body_html=body, language=was.language,
        authors=was.authors, topics=was.topics, licence_url=was.licence_url,
    )  # fmt: skip

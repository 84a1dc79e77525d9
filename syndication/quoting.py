"""Texts that say the publication's notice themselves: where they do, and which published ones a new wording would meet.

Import refuses such texts. They come all the same: under an older import, or because the notice takes words that already stand.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from lxml import html as lxml_html
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.content import EntryContent
from syndication.errors import BadInput, DisclaimerBreach
from syndication.feeds.disclaimers import count_text, possible_text
from syndication.ledger import notices
from syndication.ledger.content import Entry, Revision, Series
from syndication.ledger.lookup import content_of

_NAMED = 5  # entries that a refusal names
_AT_A_TIME = 200  # texts read at once
_WORD = re.compile(r"\w+")


def place_of(content: EntryContent, notice_text: str) -> str:
    """Where a text says the notice: a paragraph of its body, its standfirst …; empty where it does not."""
    said = [("the title", content.title), ("the standfirst", content.standfirst)]
    said += [("a note", note) for note in content.notes]
    said += [("the related reading", one.title) for one in content.related]
    found = next((name for name, words in said if count_text(words, notice_text)), "")
    if found or not count_text(possible_text(content.body_html), notice_text):
        return found
    for number, block in enumerate(lxml_html.fragment_fromstring(content.body_html, create_parent="div"), 1):
        if count_text(possible_text(lxml_html.tostring(block, encoding="unicode")), notice_text):
            return f"paragraph {number}"
    return "the text"


def explained(session: Session, entries: Iterable[Entry], breach: DisclaimerBreach) -> DisclaimerBreach:
    """The same breach, with a remedy for the editor where one of `entries` or its series says the notice itself."""
    for entry in entries:
        if entry.revision is None:
            continue
        content = content_of(entry.revision)
        language = content.language or notices.language_of(session, entry.publication_id)
        notice = notices.current(session, entry.publication_id, language).text
        place = place_of(content, notice)
        if place:
            return breach.of_a_text(
                f"{place} of {entry.series.slug}/{entry.slug} says the notice itself: take it out of the document and "
                "import it again."
            )
        if count_text(entry.series.note, notice):
            return breach.of_a_text(f"the note of {entry.series.slug}/series.toml says the notice itself: take it out.")
    return breach


def refuse_where_said(session: Session, publication_id: int, notice_text: str, where: str) -> None:
    """Raises BadInput, naming them, where published texts say what is to become the notice: none of them could go out again."""
    said = [f"{slug} ({place})" for slug, place in _saying(session, publication_id, notice_text)]
    if said:
        more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
        raise BadInput(
            f"these words stand in published texts already: {', '.join(said[:_NAMED])}{more};",
            where=where,
            remedy="choose other words, or correct or withdraw these texts first.",
        )


def _saying(session: Session, publication_id: int, notice_text: str) -> Iterator[tuple[str, str]]:
    """(series/entry, place). Most texts have none of the notice's longest words, and are looked at no further."""
    rare = [word[:12] for word in sorted(_WORD.findall(notice_text.casefold()), key=len)[-3:]]
    texts = session.execute(
        select(Series.slug, Entry.slug.label("entry"), Revision.content)
        .join(Entry, Entry.series_id == Series.id)
        .join(Revision, Revision.id == Entry.revision_id)
        .where(Entry.publication_id == publication_id, Entry.state == "published")
        .order_by(Entry.id)
        .execution_options(yield_per=_AT_A_TIME)
    )
    for row in texts:
        words = html.unescape(str(row.content)).casefold()
        if any(word in words for word in rare):
            place = place_of(EntryContent.model_validate(row.content), notice_text)
            if place:
                yield f"{row.slug}/{row.entry}", place
    for series in session.scalars(select(Series).where(Series.publication_id == publication_id)):
        if count_text(series.note, notice_text):
            yield series.slug, "its note in series.toml"

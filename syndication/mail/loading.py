"""Editions from the ledger, compiled and kept: each revision's block once, each edition once while it is being sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication.feeds.body import shown_body
from syndication.feeds.view import clean, entry_url, series_url, summary_of
from syndication.ledger import notices
from syndication.ledger.content import Entry, Publication, Revision
from syndication.ledger.lookup import content_of
from syndication.ledger.mailings import Edition, Issue
from syndication.mail.blocks import Block, EntryText, Render, compile_block
from syndication.mail.edition import EditionSource, Imprint, Line, compile_edition
from syndication.mail.splice import Compiled, Form

KEPT_EDITIONS = 64
KEPT_BLOCKS = 512


class Press:
    """Compiles editions for one base address; not shared between threads."""

    def __init__(
        self, render: Render, base_url: str, max_html_bytes: int, form: Callable[[Compiled], Form] = Form
    ) -> None:
        """`form` makes an edition ready for many people."""
        self.render = render
        self._form = form
        self.base_url = base_url
        self.max_html_bytes = max_html_bytes
        self.block = lru_cache(KEPT_BLOCKS)(self._block)
        self._editions: OrderedDict[int, Form] = OrderedDict()

    def _block(self, entry: EntryText) -> Block:
        return compile_block(self.render, entry)

    def compile(self, source: EditionSource, texts: Sequence[EntryText], *, subject_prefix: str = "") -> Compiled:
        """Not kept. Raises what `compile_edition` raises."""
        blocks = [self.block(text) for text in texts]
        return compile_edition(
            self.render, source, blocks, max_html_bytes=self.max_html_bytes, subject_prefix=subject_prefix
        )

    def form(self, session: Session, edition_id: int, texts: dict[int, EntryText] | None = None) -> Form:
        """The edition's message, ready to be filled. `texts`: by revision, read already and added to. Raises what
        `compile_edition` raises."""
        found = self._editions.get(edition_id)
        if found is None:
            edition = session.get_one(Edition, edition_id)
            source, shown = source_of(session, edition, self.base_url, texts)
            found = self._form(self.compile(source, shown))
            self._editions[edition_id] = found
            while len(self._editions) > KEPT_EDITIONS:
                self._editions.popitem(last=False)
        return found


def imprint_of(publication: Publication, base_url: str) -> Imprint:
    return Imprint(
        slug=publication.slug,
        name=publication.name,
        url=publication.url,
        postal_address=publication.postal_address,
        mail_from=publication.mail_from,
        reply_to=publication.reply_to,
        base_url=base_url,
    )


def source_of(
    session: Session, edition: Edition, base_url: str, known: dict[int, EntryText] | None = None
) -> tuple[EditionSource, list[EntryText]]:
    """What the edition pins: its frame, and its entries in reading order."""
    issue = session.get_one(Issue, edition.issue_id)
    publication = session.get_one(Publication, issue.publication_id)
    texts = texts_of(session, edition.revisions, publication, base_url, known)
    return frame_of(
        session, publication, texts, base_url, edition.language, edition.notice_id, f"i{issue.id}:{issue.cadence}"
    ), texts


def frame_of(
    session: Session,
    publication: Publication,
    texts: Sequence[EntryText],
    base_url: str,
    language: str,
    notice_id: int,
    origin: str,
) -> EditionSource:
    """`origin` begins the Feedback-ID, such as `i12:daily`."""
    return EditionSource(
        imprint=imprint_of(publication, base_url),
        language=language,
        notice=notices.by_id(session, notice_id),
        feedback_id=f"{origin}:digest:{publication.slug}",
        lines=tuple(Line(text.title, text.url, text.language) for text in texts),
        series=tuple(dict.fromkeys(text.series_title for text in texts)),
        lead=texts[0].summary if texts else "",
    )


def texts_of(
    session: Session,
    revision_ids: Sequence[int],
    publication: Publication,
    base_url: str,
    known: dict[int, EntryText] | None = None,
) -> list[EntryText]:
    """The revisions as a mail shows them, in the order given. `known` ones are not read again, and it is added to."""
    known = {} if known is None else known
    missing = [id_ for id_ in revision_ids if id_ not in known]
    if missing:
        rows = session.execute(
            select(Revision, Entry).join(Entry, Entry.id == Revision.entry_id).where(Revision.id.in_(missing))
        ).unique()
        known |= {revision.id: text_of(revision, entry, publication, base_url) for revision, entry in rows}
    return [known[id_] for id_ in revision_ids]


def text_of(revision: Revision, entry: Entry, publication: Publication, base_url: str, remark: str = "") -> EntryText:
    content = content_of(revision)
    return EntryText(
        revision_id=revision.id,
        title=clean(content.title),
        url=entry_url(base_url, entry.series.slug, entry.slug, content),
        standfirst=clean(content.standfirst),
        summary=summary_of(content),
        body_html=shown_body(clean(content.body_html), base_url),
        language=content.language or publication.language,
        authors=tuple(clean(author.name) for author in content.authors),
        series_title=clean(entry.series.title),
        series_url=series_url(base_url, entry.series.slug),
        series_language=publication.language,
        part=entry.part,
        published=entry.published_at.astimezone(ZoneInfo(publication.timezone)).date() if entry.published_at else None,
        related=content.related,
        notes=tuple(note for note in (*content.notes, entry.series.note) if note),
        remark=remark,
    )

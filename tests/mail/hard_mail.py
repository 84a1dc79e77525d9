"""Entries that are hard to send well (tests/corpus/mail), and the mail that is made of them."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from syndication.intake.importer import import_paths
from syndication.ledger import notices
from syndication.ledger.content import Entry
from syndication.ledger.lookup import the_publication
from syndication.ledger.mailings import Letter
from syndication.mail.blocks import EntryText
from syndication.mail.letters import compile_letter
from syndication.mail.loading import Press, frame_of, texts_of
from syndication.mail.splice import Compiled, fill
from syndication.publishing import publish
from syndication.wiring import Wiring


class HardMail:
    """Editions and letters of the entries in tests/corpus/mail, as messages and as what a client decodes."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        with wiring.db.reading() as session:
            self.slugs = [entry.slug for entry in session.scalars(select(Entry).order_by(Entry.id)).unique()]

    def texts(self, *slugs: str) -> list[EntryText]:
        with self.wiring.db.reading() as session:
            found = {entry.slug: entry.revision_id for entry in session.scalars(select(Entry)).unique()}
            revisions = [found[slug] or 0 for slug in slugs or self.slugs]
            return texts_of(session, revisions, the_publication(session), self.wiring.base_url)

    def compiled(self, *slugs: str, language: str = "en", budget: int = 95_000) -> Compiled:
        texts = self.texts(*slugs)
        with self.wiring.db.reading() as session:
            publication = the_publication(session)
            notice = notices.current(session, publication.id, language)
            source = frame_of(session, publication, texts, self.wiring.base_url, language, notice.id, "i1:daily")
        return Press(self.wiring.renderer.render, self.wiring.base_url, budget).compile(source, texts)

    def message(self, *slugs: str, language: str = "en", budget: int = 95_000) -> bytes:
        return fill(self.compiled(*slugs, language=language, budget=budget), FILLED)

    def letter(self, language: str = "en") -> bytes:
        with self.wiring.db.reading() as session:
            publication = the_publication(session)
            notice = notices.current(session, publication.id, language)
            context = {"confirm": [[1, "weekly"]], "series": ["Slow Letters"], "cadence": "weekly"}
            letter = Letter(
                delivery_id=7, template="confirm", address="a@example.org", language=language, context=context
            )
            compiled = compile_letter(
                self.wiring.renderer.render, self.wiring.signer, publication, notice, letter, self.wiring.base_url,
                link_hours=72,
            )  # fmt: skip
        return fill(compiled, FILLED)


FILLED = {
    "to": "a@example.org", "message_id": "<1.2@quay.example>", "date": "Thu, 01 Jan 2026 00:00:00 +0000",
    "unsubscribe": "U" * 22, "preferences": "U" * 22, "browser": "Mw.awZLew." + "B" * 43,
}  # fmt: skip


def published(wiring: Wiring) -> HardMail:
    corpus = Path(__file__).parents[1] / "corpus/mail"
    report = import_paths(wiring.db, [corpus], settings=wiring.settings)
    assert not report.failures, report.failures
    with wiring.db.reading() as session:
        entries = [entry.id for entry in session.scalars(select(Entry)).unique()]
    publish(wiring.db, wiring.base_url, entries)
    return HardMail(wiring)

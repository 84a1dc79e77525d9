"""From a claimed delivery to bytes: the edition's form filled for one person, or a letter written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import structlog
from sqlalchemy.orm import Session

from syndication.audience.handles import handle_token
from syndication.content import PublishedNotice
from syndication.errors import BadInput, NeedsHuman, SyndicationError
from syndication.ledger import notices
from syndication.ledger.claims import Claimed
from syndication.ledger.content import Publication
from syndication.ledger.mailings import Letter
from syndication.mail import headers, keys, verp
from syndication.mail.blocks import EntryText
from syndication.mail.dkim import Key
from syndication.mail.gate import Passed, Person
from syndication.mail.journal import file_name
from syndication.mail.letters import compile_letter
from syndication.mail.loading import Press
from syndication.mail.relays import Profile, mark, relay_of
from syndication.mail.splice import Compiled, Form
from syndication.mail.transport import Parcel
from syndication.settings import Settings
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Loaded:
    """What a slice's parcels are made of: forms by edition, and why some cannot be made (None stands for letters)."""

    forms: dict[int, Form] = field(default_factory=dict)
    held: dict[int | None, str] = field(default_factory=dict)

    def prove(self, rows: Sequence[Claimed]) -> None:
        """Once a flight: the runs of its editions are still those that the gate counted. Raises GiveUp."""
        for edition_id in {row.edition_id for row in rows if row.edition_id is not None}:
            self.forms[edition_id].prove()


class Packing:
    """What makes parcels, kept over slices. `load` what they need while the ledger is at hand, then `parcel` each."""

    def __init__(self, wiring: Wiring) -> None:
        self.press = Press(wiring.renderer.render, wiring.base_url, wiring.settings.mail_max_html_bytes, self._form)
        self._wiring = wiring
        self._one_at_a_time = Lock()  # slices are loaded by the ledger's thread, and by the sender's where one grew old
        self._relay = relay_of(wiring.settings)
        self._keys: Sequence[Key] = ()
        self._publications: dict[int, Publication] = {}
        self._senders: dict[int, str] = {}
        self._notices: dict[tuple[int, str], PublishedNotice] = {}

    def load(self, session: Session, passed: Passed, before: Loaded) -> Loaded:
        """Compiles what the rows need; what was loaded `before` for them need not be compiled again."""
        with self._one_at_a_time:
            return self._load(session, passed, before)

    def _load(self, session: Session, passed: Passed, before: Loaded) -> Loaded:
        loaded = Loaded()
        for publication_id in {row.publication_id for row in passed.go}:
            publication = self._publications[publication_id] = session.get_one(Publication, publication_id)
            try:
                mailbox = headers.parsed_mailbox(publication.mail_from)
                sender = self._senders[publication_id] = headers.ascii_domain(mailbox[1])
                self._keys = signing_keys(self._wiring.settings, self._relay, sender)
            except SyndicationError as error:  # nothing goes unsigned because a key is wrong
                loaded.held = {row.edition_id: str(error) for row in passed.go}
                return loaded
        for row in passed.go:
            if row.edition_id is None:
                language = passed.letters[row.id].language
                key = row.publication_id, language
                self._notices[key] = notices.current(session, row.publication_id, language)
        texts: dict[int, EntryText] = {}
        for edition_id in dict.fromkeys(row.edition_id for row in passed.go if row.edition_id is not None):
            if (known := before.forms.get(edition_id)) is not None:
                loaded.forms[edition_id] = known
                continue
            try:
                loaded.forms[edition_id] = self.press.form(session, edition_id, texts)
            except SyndicationError as error:
                loaded.held[edition_id] = str(error)
            except Exception as error:  # a fault of ours in one edition holds up nobody else's
                log.exception("mail.edition_fault", edition=edition_id)
                loaded.held[edition_id] = f"a fault in this program: {type(error).__name__}: {error}"
        return loaded

    def parcel(self, row: Claimed, passed: Passed, loaded: Loaded) -> Parcel:
        """Raises BadInput for what is wrong with this person's address or name, SyndicationError for what is ours."""
        publication = self._publications[row.publication_id]
        sender = self._senders[row.publication_id]
        values = {
            "date": headers.date_now(),
            "message_id": headers.message_id(
                publication.tag_authority, row.id, row.created_at, sender.rpartition("@")[2]
            ),
        }
        if row.edition_id is None:
            letter = passed.letters[row.id]
            notice = self._notices[row.publication_id, letter.language]
            compiled = self._letter(publication, notice, letter)
            form, name, address = self._form(compiled), "", letter.address
        else:
            person = passed.people[row.subscriber_id or 0]
            form = loaded.forms[row.edition_id]
            values |= personal(person, self._wiring.signer.make("issue", row.id))
            name, address = person.name, person.address
        address = headers.ascii_domain(address)
        values["to"] = headers.mailbox(name, address)
        data = form.message(values, utf8_headers=not address.isascii(), before=mark(self._relay, row.id))
        envelope = verp.make(self._wiring.signer, row.id, self._wiring.settings.bounce_domain) or sender
        return Parcel(file_name(row.id), envelope, address, data, plain=address.isascii())

    def _letter(self, publication: Publication, notice: PublishedNotice, letter: Letter) -> Compiled:
        """What is wrong with a letter is ours, whatever it is: raises NeedsHuman, never BadInput."""
        try:
            return compile_letter(
                self._wiring.renderer.render, self._wiring.signer, publication, notice, letter, self._wiring.base_url,
                link_hours=self._wiring.settings.consent_token_hours,
            )  # fmt: skip
        except BadInput as error:
            raise NeedsHuman(error.what, where=error.where, remedy=error.remedy) from error
        except SyndicationError:
            raise
        except Exception as error:  # a fault of ours in one letter holds up no other
            log.exception("mail.letter_fault", delivery=letter.delivery_id)
            raise NeedsHuman(f"a fault in this program: {type(error).__name__}: {error}") from error

    def _form(self, compiled: Compiled) -> Form:
        return Form(compiled, self._keys, unsigned=self._relay.rewrites)


def signing_keys(settings: Settings, relay: Profile, sender: str) -> Sequence[Key]:
    """The keys that sign mail from `sender` through `relay`. Raises NeedsHuman for a key that does not do."""
    return () if relay.signs_alone else keys.signing(settings, sender.rpartition("@")[2])


def personal(person: Person, browser_token: str) -> dict[str, str]:
    """The values of a digest's personal slots."""
    handle = handle_token(person.handle)
    return {"unsubscribe": handle, "preferences": handle, "browser": browser_token}

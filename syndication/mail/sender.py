"""Send what is due: claim → look again → begun in the journal → wire → answer in the journal → fold, slice by slice.

Guarantees: no transaction is open while a relay is talked to; nothing goes to the wire after the lease's deadline (by the
monotonic clock); a template that fails its gate holds back its own edition and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import update
from sqlalchemy.orm import Session

from syndication import clock
from syndication.audience.handles import handle_token
from syndication.content import PublishedNotice
from syndication.digests.control import issue_named, settle
from syndication.digests.repoint import NOTHING_LEFT, renewed
from syndication.errors import BadInput, SyndicationError
from syndication.ledger import claims, notices
from syndication.ledger.audience import Subscriber
from syndication.ledger.claims import Claim, Claimed, Outcome
from syndication.ledger.content import Publication
from syndication.ledger.mailings import Delivery
from syndication.mail import headers, journal
from syndication.mail.gate import Passed, look_again, narrowed
from syndication.mail.journal import Journal
from syndication.mail.letters import compile_letter
from syndication.mail.loading import Press
from syndication.mail.splice import Compiled, fill
from syndication.mail.transport import Parcel, Transport, TransportTrouble
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

DIGESTS, LETTERS = ("digest", "notice"), ("transactional",)
LOOK_AGAIN_SECONDS = 1.0
TROUBLE_WAIT = timedelta(seconds=30)
TEMPLATE_WAIT = timedelta(minutes=5)


def journals_dir(wiring: Wiring) -> Path:
    return wiring.settings.data_dir / "journals"


def recover(wiring: Wiring, transport: Transport | None = None) -> int:
    """Settles what dead workers left: replays their journals, and lets leases expire. Cheap where there is nothing."""
    ladder = wiring.settings.retry_ladder
    directory = journals_dir(wiring)
    mine = journal.of_this_process(directory)
    settled = journal.replay(wiring.db, directory, transport, ladder)
    for lease_id in sorted(mine.left - mine.working):  # a fold of ours that failed, a database that was away say
        settled += journal.fold_file(wiring.db, mine.path, transport, ladder, only=(lease_id,))
        mine.folded(lease_id)
    grace = wiring.settings.journal_grace_seconds
    with wiring.db.reading() as session:  # mostly there is nothing, and no lock is taken
        expired = claims.anything_expired(session, grace)
    if expired:
        with wiring.db.transaction() as session:
            for issue_id in sorted(claims.expire(session, grace, ladder)):
                settle(session, issue_id)
    return settled


def send_due(
    wiring: Wiring,
    transport: Transport,
    *,
    kinds: Sequence[str] = ("transactional", "digest"),
    limit: int | None = None,
) -> int:
    """Sends what is due, transactional mail first, until nothing is, `limit` is reached or a task's time is nearly over.

    The number of deliveries dealt with. A relay that cannot be used ends the round; the rest stays pending.
    """
    settings = wiring.settings
    recover(wiring, transport)
    mine = journal.of_this_process(journals_dir(wiring))
    press = Press(wiring.renderer.render, wiring.base_url, settings.mail_max_html_bytes)
    wanted = tuple(kinds) + (("notice",) if "digest" in kinds else ())
    ends = clock.monotonic() + 0.6 * settings.task_time_limit_seconds
    done = 0
    try:
        while (limit is None or done < limit) and clock.monotonic() < ends:
            with wiring.db.reading() as session:
                if not claims.anything_due(session, wanted):
                    break
            size = settings.slice_size if limit is None else min(settings.slice_size, limit - done)
            deadline = clock.monotonic() + settings.lease_seconds
            with wiring.db.transaction() as session:
                claim = claims.claim(
                    session,
                    host=mine.host,
                    journal=mine.name,
                    size=size,
                    lease_seconds=settings.lease_seconds,
                    kinds=wanted,
                )
                if claim is not None:
                    mine.left.add(claim.lease_id)
                    mine.working.add(claim.lease_id)
            if claim is None:
                break
            worker = _Slice(wiring, transport, mine, press, claim, min(deadline, ends + 0.2 * settings.lease_seconds))
            try:
                worker.send()
                worker.fold()
            finally:
                mine.working.discard(claim.lease_id)
            done += len(claim.rows)
            if worker.blocked:
                break
    finally:
        transport.close()
    return done


class _Slice:
    """One claim on its way out. What is in no outcome at the end was not begun and goes back."""

    def __init__(
        self, wiring: Wiring, transport: Transport, mine: Journal, press: Press, claim: Claim, deadline: float
    ) -> None:
        self.wiring, self.transport, self.journal, self.press = wiring, transport, mine, press
        self.claim = claim
        self.deadline = deadline - wiring.settings.smtp_timeout_seconds * 0.1
        self.outcomes: dict[int, Outcome] = {}
        self.stale: dict[tuple[int, frozenset[int]], list[Claimed]] = {}
        self.blocked = False
        self.publications: dict[int, Publication] = {}
        self.notices: dict[tuple[int, str], PublishedNotice] = {}

    def send(self) -> None:
        rest = list(self.claim.rows)
        while rest and not self.blocked and clock.monotonic() < self.deadline:
            looked = clock.monotonic()
            with self.wiring.db.reading() as session:
                passed = look_again(session, rest)
                self._compile(session, passed)
            self.outcomes |= {outcome.delivery_id: outcome for outcome in passed.stopped}
            for row in passed.stale:
                self.stale.setdefault((row.edition_id or 0, passed.keep[row.id]), []).append(row)
                self.outcomes[row.id] = Outcome(row.id, "pending")
            rest = []
            for index, row in enumerate(passed.go):
                now = clock.monotonic()
                if index and now - looked > LOOK_AGAIN_SECONDS:
                    rest = passed.go[index:]
                    break
                if self.blocked or now >= self.deadline:
                    break
                if row.id not in self.outcomes:
                    self._one(row, passed)

    def fold(self) -> None:
        """Everything of this slice into the ledger, in one transaction; mail that went stale gets its new edition."""
        wait = clock.now() + TROUBLE_WAIT if self.blocked else None
        outcomes = [
            self.outcomes.get(row.id) or Outcome(row.id, "pending", "the relay could not be used" if wait else "", wait)
            for row in self.claim.rows
        ]
        with self.wiring.db.transaction() as session:
            issues = claims.fold(session, self.claim.lease_id, outcomes, self.wiring.settings.retry_ladder)
            for (edition_id, keep), rows in self.stale.items():
                self._renew(session, edition_id, keep, rows)
            for issue_id in sorted(issues):
                settle(session, issue_id)
        self.journal.folded(self.claim.lease_id)

    def _renew(self, session: Session, edition_id: int, keep: frozenset[int], rows: list[Claimed]) -> None:
        issue_named(session, rows[0].issue_id or 0, lock=True)  # nobody else makes the same edition meanwhile
        instead = renewed(session, edition_id)
        if instead is not None:
            instead = narrowed(session, instead, keep)
        values: dict[str, object] = {"edition_id": instead}
        if instead is None:
            values = {"state": "cancelled", "reply": NOTHING_LEFT}
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_([row.id for row in rows]), Delivery.state == "pending")
            .values(**values),
            execution_options={"synchronize_session": False},
        )

    def _compile(self, session: Session, passed: Passed) -> None:
        """Compiles what the rows need while the ledger is at hand; an edition that cannot be made is held back."""
        held: dict[int, str] = {}
        for row in passed.go:
            if row.publication_id not in self.publications:
                self.publications[row.publication_id] = session.get_one(Publication, row.publication_id)
            if row.edition_id is None and row.id in passed.letters:
                language = passed.letters[row.id].language
                self.notices[row.publication_id, language] = notices.current(session, row.publication_id, language)
            if row.edition_id is None or row.id in self.outcomes:
                continue
            if row.edition_id not in held:
                try:
                    self.press.compiled(session, row.edition_id)
                    continue
                except SyndicationError as error:
                    held[row.edition_id] = str(error)
                    log.error("mail.edition_held", edition=row.edition_id, reason=str(error))
            self.outcomes[row.id] = Outcome(row.id, "pending", held[row.edition_id], clock.now() + TEMPLATE_WAIT)

    def _one(self, row: Claimed, passed: Passed) -> None:
        try:
            parcel = self._parcel(row, passed)
        except SyndicationError as error:
            log.error("mail.held", delivery=row.id, reason=str(error))
            wrong = isinstance(error, BadInput)  # this person's address or name; else something of ours, to be mended
            wait = None if wrong else clock.now() + TEMPLATE_WAIT
            self.outcomes[row.id] = Outcome(row.id, "failed" if wrong else "pending", str(error), wait)
            return
        lease = self.claim.lease_id
        self.journal.begun(lease, row.id)
        try:
            receipt = self.transport.send(parcel)
        except TransportTrouble as trouble:
            self.blocked = True
            self.journal.answered(lease, row.id, "pending", trouble.what)
            self.outcomes[row.id] = Outcome(row.id, "pending", trouble.what, clock.now() + TROUBLE_WAIT)
            log.warning("mail.blocked", reason=str(trouble))
            return
        self.journal.answered(lease, row.id, receipt.state, receipt.reply)
        self.outcomes[row.id] = Outcome(row.id, receipt.state, receipt.reply)

    def _parcel(self, row: Claimed, passed: Passed) -> Parcel:
        publication = self.publications[row.publication_id]
        sender = headers.ascii_domain(headers.parsed_mailbox(publication.mail_from)[1])
        values = {
            "date": headers.date_value(clock.now()),
            "message_id": headers.message_id(
                publication.tag_authority, row.id, row.created_at, sender.rpartition("@")[2]
            ),
        }
        if row.edition_id is None:
            letter = passed.letters[row.id]
            notice = self.notices[row.publication_id, letter.language]
            compiled = compile_letter(
                self.wiring.renderer.render,
                self.wiring.signer,
                publication,
                notice,
                letter,
                self.wiring.base_url,
                link_hours=self.wiring.settings.consent_token_hours,
            )
            name, address = "", letter.address
        else:
            person = passed.people[row.subscriber_id or 0]
            compiled = self.press.kept(row.edition_id) or self._compile_again(row.edition_id)
            values |= personal(person, self.wiring.signer.make("issue", row.id))
            name, address = person.name, person.address
        address = headers.ascii_domain(address)
        values["to"] = headers.mailbox(name, address)
        return Parcel(
            name=journal.file_name(row.id),
            sender=sender,
            recipient=address,
            data=fill(compiled, values, utf8_headers=not address.isascii()),
        )

    def _compile_again(self, edition_id: int) -> Compiled:
        """A slice of more editions than the press keeps."""
        with self.wiring.db.reading() as session:
            return self.press.compiled(session, edition_id)


def personal(person: Subscriber, browser_token: str) -> dict[str, str]:
    """The values of a digest's personal slots."""
    handle = handle_token(person.handle)
    return {"unsubscribe": handle, "preferences": handle, "browser": browser_token}

"""The next digest to one address, as it would go: no issue is cut, no cursor moves, no delivery is written."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.errors import BadInput, NotFound
from syndication.ledger import notices
from syndication.ledger.content import Entry
from syndication.ledger.lookup import the_publication
from syndication.ledger.mailings import Issue
from syndication.mail import headers
from syndication.mail.loading import Press, frame_of, texts_of
from syndication.mail.parcels import signing_keys
from syndication.mail.relays import relay_of
from syndication.mail.splice import Form
from syndication.mail.transport import Parcel, Transport, send_one
from syndication.wiring import Wiring

PREFIX = "[Test] "
EXAMPLES = 3
CADENCES = ("at-once", "daily", "weekly")
_NOBODY = "A" * 22  # a handle that nobody has: a click on the trial unsubscribes no one


@dataclass(frozen=True, slots=True)
class Trial:
    """What went out. `example`: nothing new is owed at this cadence, so the newest entries stood in."""

    address: str
    subject: str
    entries: tuple[str, ...]
    example: bool
    shortened: str
    state: str
    reply: str


def send_trial(wiring: Wiring, transport: Transport, address: str, *, cadence: str = "daily") -> Trial:
    """Sends what the next issue at `cadence` would bring to somebody who follows all. The personal links lead nowhere.

    Raises NotFound while nothing is published, BadInput for an address or cadence that is none, TransportTrouble.
    """
    if cadence not in CADENCES:
        raise BadInput(f"{cadence!r} is no cadence;", remedy=f"write one of {', '.join(CADENCES)}.")
    recipient = headers.ascii_domain(address)
    with wiring.db.reading() as session:
        publication = the_publication(session)
        revisions, example = _next(session, publication.id, cadence)
        texts = texts_of(session, revisions, publication, wiring.base_url)
        notice = notices.current(session, publication.id, publication.language)
        source = frame_of(
            session, publication, texts, wiring.base_url, publication.language, notice.id, f"trial:{cadence}"
        )
        authority, mail_from = publication.tag_authority, publication.mail_from
    press = Press(wiring.renderer.render, wiring.base_url, wiring.settings.mail_max_html_bytes)
    compiled = press.compile(source, texts, subject_prefix=PREFIX)
    sender = headers.ascii_domain(headers.parsed_mailbox(mail_from)[1])
    values = {
        "to": headers.mailbox("", recipient),
        "date": headers.date_now(),
        "message_id": headers.message_id(authority, secrets.randbits(48), clock.now(), sender.rpartition("@")[2]),
        "unsubscribe": _NOBODY,
        "preferences": _NOBODY,
        "browser": _NOBODY,
    }
    relay = relay_of(wiring.settings)
    form = Form(compiled, signing_keys(wiring.settings, relay, sender), unsigned=relay.rewrites)
    data = form.message(values, utf8_headers=not recipient.isascii())
    try:
        receipt = send_one(transport, Parcel(f"{time.time_ns() // 1_000}.trial", sender, recipient, data))
    finally:
        transport.close()
    return Trial(
        address, compiled.subject, tuple(t.title for t in texts), example, compiled.shortened, receipt.state, receipt.reply
    )  # fmt: skip


def _next(session: Session, publication_id: int, cadence: str) -> tuple[list[int], bool]:
    """(revisions in reading order, whether they only stand in): what came after the cadence's last cut."""
    mine = (Issue.publication_id == publication_id) & (Issue.cadence == cadence)
    upto = session.scalar(select(func.max(Issue.upto_seq)).where(mine)) or 0
    shown = select(Entry).where(Entry.publication_id == publication_id, Entry.state == "published")
    owed = session.scalars(shown.where(Entry.mail_seq > upto).order_by(Entry.mail_seq)).unique().all()
    if owed:
        return [e.revision_id for e in owed if e.revision_id is not None], False
    newest = session.scalars(shown.order_by(Entry.published_at.desc(), Entry.id.desc()).limit(EXAMPLES)).unique().all()
    if not newest:
        raise NotFound("nothing is published yet;", remedy="publish an entry first: `syndicate publish ENTRY`.")
    return [e.revision_id for e in reversed(newest) if e.revision_id is not None], True

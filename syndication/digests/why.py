"""Why somebody got an entry, or when they will, or why not: one sentence, with the rows of the ledger it rests on.

It reads; it decides nothing. The sentence follows the same columns as the freeze (see `digests.windows`).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.content import Record
from syndication.digests.concerning import cut_of
from syndication.digests.issues import zone_of
from syndication.digests.schedule import AT_ONCE, last_slot, next_slot, slot_name
from syndication.ledger import carrying, past
from syndication.ledger.content import Series
from syndication.ledger.mailings import Edition
from syndication.ledger.suppressions import suppressed_among
from syndication.ledger.tables import (
    Delivery,
    EditionEntry,
    Entry,
    Issue,
    Notice,
    Publication,
    SeriesStart,
    Subscriber,
    Subscription,
)

_RANK = ("sent", "unknown", "sending", "pending", "deferred", "failed", "suppressed", "cancelled")


class Ground(Record):
    """A row the answer rests on: `table` and `id` find it, `says` is what it says."""

    table: str
    id: int
    says: str


class Answer(Record):
    """`verdict` is one word for machines: got, will, maybe, not."""

    address: str
    entry: str
    verdict: str
    sentence: str
    rows: tuple[Ground, ...] = ()


def why(session: Session, address: str, entry: Entry) -> Answer:
    """The answer for an address as a person typed it. An unknown address is an answer, not an error."""
    return _Inquiry(session, address.strip(), entry).answer()


class _Inquiry:
    """One question: what was looked at is kept as the answer's grounds."""

    def __init__(self, session: Session, address: str, entry: Entry) -> None:
        self.session = session
        self.address = address
        self.entry = entry
        self.publication = session.get_one(Publication, entry.publication_id)
        self.grounds: list[Ground] = []
        self.title = f"“{entry.revision.title}”" if entry.revision else f"entry {entry.slug}"

    def answer(self) -> Answer:
        key = self.address.casefold()
        person = self.session.scalars(
            select(Subscriber).where(
                Subscriber.publication_id == self.publication.id,
                or_(Subscriber.address_key == key, Subscriber.address == self.address),
            )
        ).first()
        self._saw("entry", self.entry.id, self._entry_says())
        if person is None:
            barred = suppressed_among(self.session, self.publication.id, {key})
            return self._say(
                "not",
                f"{self.address} is not in the ledger"
                + (", and the address is suppressed: they left, or mail to them bounced." if barred else "."),
            )
        self._saw("subscriber", person.id, f"{person.timezone}, {person.language}, since {_utc(person.created_at)}")
        return self._by_delivery(person) or self._by_entry() or self._by_subscription(person)

    def _by_delivery(self, person: Subscriber) -> Answer | None:
        found_rows = self.session.execute(
            select(Delivery, Issue, Edition, Notice)
            .join(Edition, Edition.id == Delivery.edition_id)
            .join(EditionEntry, EditionEntry.edition_id == Edition.id)
            .join(Issue, Issue.id == Delivery.issue_id)
            .join(Notice, Notice.id == Edition.notice_id)
            .where(Delivery.subscriber_id == person.id, EditionEntry.entry_id == self.entry.id)
        ).all()
        rows = [(row[0], row[1], row[2], row[3]) for row in found_rows]
        for _, found in past.got(self.session, [self.entry.id], person.id, person.id):
            issue, notice = self.session.get(Issue, found.issue_id), self.session.get(Notice, found.edition.notice_id)
            if issue is not None and notice is not None:
                rows.append((found.as_delivery(), issue, found.as_edition(), notice))
        if not rows:
            return None
        for delivery, issue, edition, _ in rows:
            self._saw("delivery", delivery.id, f"{delivery.state}, tries {delivery.attempts}" + _tail(delivery.reply))
            self._saw("issue", issue.id, f"{issue.cadence}, slot {issue.slot}, up to {issue.upto_seq}, {issue.state}")
            self._saw("edition", edition.id, f"revisions {', '.join(map(str, edition.revisions))}")
        delivery, issue, _, notice = min(rows, key=lambda row: (_RANK.index(row[0].state), -row[0].id))
        which = f"the {issue.cadence} issue {issue.id}"
        match delivery.state:
            case "sent":
                when = f" on {_local(delivery.sent_at, person)}" if delivery.sent_at else ""
                return self._say(
                    "got",
                    f"{self.address} got {self.title}{when} with {which}, "
                    f"under version {notice.version} of the disclaimer ({notice.language}).",
                )
            case "unknown":
                return self._say(
                    "maybe",
                    f"{self.address} may have got {self.title} with {which}: it was on the wire and the relay's reply was "
                    "lost; it is not sent again unasked.",
                )
            case "cancelled" if carrying.waits(self.session, delivery.id, self.entry.id):
                return self._say(
                    "will",
                    f"{self.address} will get {self.title} with their next digest: {which} was cancelled and is carried over.",
                )
            case "failed" | "suppressed" | "cancelled":
                fate = {"failed": "was refused for good", "suppressed": "was suppressed", "cancelled": "was cancelled"}
                return self._say(
                    "not",
                    f"{self.address} did not get {self.title}: the mail of {which} {fate[delivery.state]}"
                    f"{_tail(delivery.reply)}.",
                )
        if delivery.state == "deferred":
            when = f"is tried again on {_local(delivery.due_at, person)}{_tail(delivery.reply)}"
        else:
            when = "is being sent now" if delivery.state == "sending" else "waits to be sent"
        held = ", once the issue is resumed (it is paused)" if issue.paused else ""
        return self._say("will", f"{self.address} will get {self.title}: the mail of {which} {when}{held}.")

    def _by_entry(self) -> Answer | None:
        match self.entry.state:
            case "scheduled":
                at = f" for {_utc(self.entry.scheduled_at)}" if self.entry.scheduled_at else ""
                return self._say("not", f"Nobody has {self.title} yet: it is scheduled{at}.")
            case "draft":
                return self._say("not", f"Nobody has {self.title}: it is a draft.")
            case "withdrawn":
                because = f" ({self.entry.withdrawn_reason})" if self.entry.withdrawn_reason else ""
                at = f" on {_utc(self.entry.withdrawn_at)}" if self.entry.withdrawn_at else ""
                return self._say(
                    "not",
                    f"{self.address} did not get {self.title}: it was withdrawn{at}{because} before it was mailed to them.",
                )
        if self.entry.mail_seq is None:
            return self._say("not", f"{self.title} is published without mail (--no-mail): it is mailed to nobody.")
        return None

    def _by_subscription(self, person: Subscriber) -> Answer:
        series = self.session.get_one(Series, self.entry.series_id)
        wishes = self.session.scalars(
            select(Subscription)
            .where(Subscription.subscriber_id == person.id, Subscription.scope.in_((0, series.id)))
            .order_by(Subscription.scope.desc())
        ).all()
        for wish in wishes:
            self._saw("subscription", wish.id, _wish_says(wish, series.slug))
        own = next((wish for wish in wishes if wish.scope), None)
        everything = next((wish for wish in wishes if not wish.scope), None)
        if own is not None and own.state == "active":
            return self._by_cursor(person, own, own.cursor, f"the series {series.slug}")
        if everything is not None and everything.state == "active":
            if own is not None and own.shields:
                return self._say(
                    "not",
                    f"{self.address} follows all series but {series.slug}: their own subscription to it ended"
                    f"{_on(own.ended_at)}{_tail(own.ended_reason)}, and takes it out of `all` until they ask for all anew.",
                )
            start = self.session.get(SeriesStart, (everything.id, series.id))
            if start is not None:
                self._saw("series_start", everything.id, f"{series.slug} from {start.cursor}")
            return self._by_cursor(person, everything, start.cursor if start else everything.cursor, "all series")
        for wish in wishes:
            what = f"the series {series.slug}" if wish.scope else "all series"
            if wish.state == "asked":
                return self._say(
                    "not", f"{self.address} asked for {what}{_on(wish.asked_at)} and has not confirmed it."
                )
            return self._say(
                "not",
                f"{self.address} does not get {self.title}: their subscription to {what} ended"
                f"{_on(wish.ended_at)}{_tail(wish.ended_reason)}.",
            )
        return self._say("not", f"{self.address} does not follow the series {series.slug}, nor all series.")

    def _by_cursor(self, person: Subscriber, wish: Subscription, cursor: int, what: str) -> Answer:
        number = self.entry.mail_seq or 0
        if cursor >= number and (forgotten := self._forgotten(number)) is not None:
            return self._say(
                "maybe",
                f"Who got {self.title} is no longer kept: issue {forgotten.id} and others that could have carried it are "
                "older than SYNDICATION_KEEP_DELIVERIES_DAYS.",
            )
        if cursor >= number:
            since = f" since {_local(wish.active_at, person)}" if wish.active_at else ""
            return self._say(
                "not",
                f"{self.address} follows {what} at the cadence {wish.cadence}{since}, from number {cursor} on; {self.title} is "
                f"number {number}: it was published before that, or was withdrawn when their issue was cut.",
            )
        if suppressed_among(self.session, self.publication.id, {person.address_key}):
            return self._say(
                "not", f"{self.address} follows {what}, but the address is suppressed: no mail goes to it."
            )
        at = self._when(person, wish)
        return self._say("will", f"{self.address} will get {self.title} {at}, because they follow {what}.")

    def _forgotten(self, number: int) -> Issue | None:
        """An issue that could have carried the entry and of which numbers alone are kept."""
        query = select(Issue).where(
            Issue.publication_id == self.publication.id, Issue.forgotten_at.is_not(None), Issue.upto_seq >= number
        )
        issue = self.session.scalars(query.order_by(Issue.id).limit(1)).first()
        if issue is not None:
            since = _on(issue.forgotten_at).removeprefix(" on")
            self._saw("issue", issue.id, f"{issue.cadence}, slot {issue.slot}, numbers alone since{since}")
        return issue

    def _when(self, person: Subscriber, wish: Subscription) -> str:
        half = self.session.scalars(
            select(Issue).where(
                Issue.publication_id == self.publication.id,
                Issue.cadence == wish.cadence,
                Issue.state.in_(("cut", "freezing")),
                Issue.upto_seq >= (self.entry.mail_seq or 0),
                Issue.frozen_to < person.id,
            )
        )
        for issue in half:
            cut = cut_of(
                self.session, issue.publication_id, issue.cadence, issue.slot, issue.zones, issue.upto_seq, issue.id
            )
            if (not cut.zones or person.timezone in cut.zones) and (not cut.scopes or wish.scope in cut.scopes):
                self._saw("issue", issue.id, f"{issue.cadence}, slot {issue.slot}, {issue.state}")
                return f"with issue {issue.id}, which is being made now"
        if wish.cadence == AT_ONCE:
            return "within minutes, with the next at-once issue"
        zone, now = zone_of(person.timezone), clock.now()
        rule = (wish.cadence, zone, self.publication.daily_at, self.publication.weekly_on)
        at = last_slot(*rule, now)
        made = select(Issue.id).where(
            Issue.publication_id == self.publication.id, Issue.cadence == wish.cadence, Issue.slot == slot_name(at)
        )
        late = at >= self.publication.created_at and (wish.active_at is None or wish.active_at <= at)
        if not late or self.session.scalar(made) is not None:
            at = next_slot(*rule, now)
        return f"with the {wish.cadence} issue of {_local(at, person)}"

    def _entry_says(self) -> str:
        number = "no mail" if self.entry.mail_seq is None else f"number {self.entry.mail_seq}"
        return f"{self.entry.series.slug}/{self.entry.slug}, {self.entry.state}, {number}"

    def _saw(self, table: str, row_id: int, says: str) -> None:
        self.grounds.append(Ground(table=table, id=row_id, says=says))

    def _say(self, verdict: str, sentence: str) -> Answer:
        return Answer(
            address=self.address,
            entry=f"{self.entry.series.slug}/{self.entry.slug}",
            verdict=verdict,
            sentence=sentence,
            rows=tuple(self.grounds),
        )


def _wish_says(wish: Subscription, slug: str) -> str:
    what = slug if wish.scope else "all"
    ended = f"{_on(wish.ended_at)}{_tail(wish.ended_reason)}" if wish.state == "ended" else ""
    return f"{what}, {wish.cadence}, {wish.state}{ended}, cursor {wish.cursor}"


def _local(at: datetime, person: Subscriber) -> str:
    return f"{at.astimezone(zone_of(person.timezone)):%A %-d %B %Y, %H:%M} ({person.timezone})"


def _utc(at: datetime) -> str:
    return f"{at:%-d %B %Y, %H:%M} UTC"


def _on(at: datetime | None) -> str:
    return f" on {_utc(at)}" if at else ""


def _tail(reason: str) -> str:
    return f" ({reason})" if reason else ""

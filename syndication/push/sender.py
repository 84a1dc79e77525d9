"""Send the pushes that are due: claim → call, with no transaction open → finish; many at once, none in another's way.

Guarantees: who has taken documents promptly waits for nobody else: a quarter of the threads at least is theirs, since who
has yet to take one and who failed or was slow have lanes of their own; no host gets more than `push_per_host` calls at a time,
and more for it is not claimed meanwhile; a crash leaves leases that run out, and the same push is sent again with the same id.
The document is read once for each version.
"""

from __future__ import annotations

import gzip
import hmac
import random
from collections import Counter, deque
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.feeds.formats import FORMATS
from syndication.feeds.view import feed_url, hub_url
from syndication.ledger import pushes
from syndication.ledger.content import Artifact, Feed
from syndication.ledger.machines import HubTopic, Push
from syndication.ledger.pushes import DOCUMENT, NEW, SOON, SUSPECT, Claimed, Result
from syndication.push import fanout, hub
from syndication.push.answer import Answer, Verdict, judge_courtesy, judge_document, judge_verify
from syndication.push.http import Caller, host_of
from syndication.wiring import Wiring

log = structlog.get_logger(__name__)

HANDFUL = 8  # while others are under way, an eighth of a lane's threads must be free before more is claimed
FINISH_EVERY = 0.25  # seconds
SLOW = 2.0  # seconds; who takes longer is slow
LANES = {(DOCUMENT,): 1.0, (SOON, NEW): 0.5, (SUSPECT,): 0.25}  # the threads that each may have at most, as a share
_LANE_OF = {priority: lane for lane in LANES for priority in lane}


class _Mine(NamedTuple):
    """A claimed push and the claim it belongs to."""

    token: str
    row: Claimed

    @property
    def host(self) -> str:
        return host_of(self.row.target)


@dataclass(frozen=True, slots=True)
class Document:
    """A topic's newest bytes, and what a push of them says in its headers."""

    etag: str
    body: bytes
    headers: dict[str, str]


def send_due(wiring: Wiring, caller: Caller | None = None) -> int:
    """Ends leases, fans out what changed, and sends until nothing is due or a task's time is nearly over; how many pushes
    were settled."""
    settings = wiring.settings
    own = caller is None
    caller = caller or Caller(seconds=settings.push_timeout_seconds, to_loopback=settings.push_to_loopback)
    try:
        hub.expire_leases(wiring.db)
        fanout.fan_out_owed(wiring.db, wiring.base_url)
        return _Round(wiring, caller).run()
    finally:
        if own:
            caller.close()


def anything_to_do(session: Session) -> bool:
    """Whether `send_due` would find something; takes no lock."""
    return pushes.anything_due(session) or fanout.anything_owed(session) or hub.anything_over(session)


class _Round:
    """One run of the sender: threads, what is under way in them, and what waits for a place at its host."""

    def __init__(self, wiring: Wiring, caller: Caller) -> None:
        self.wiring, self.caller = wiring, caller
        self.threads = wiring.settings.push_threads
        self.documents: dict[int, Document] = {}
        self.answers: SimpleQueue[tuple[_Mine, str, Answer, bool]] = SimpleQueue()  # of what is over: with etag, slow?
        self.under_way = 0
        self.held: deque[_Mine] = deque()
        self.hosts: Counter[str] = Counter()
        self.lanes: Counter[tuple[int, ...]] = Counter()  # how many of each are under way
        self.results: dict[str, list[Result]] = {}

    def run(self) -> int:
        ends = clock.monotonic() + 0.6 * self.wiring.settings.task_time_limit_seconds
        written, settled, more = clock.monotonic(), 0, True
        with ThreadPoolExecutor(self.threads, thread_name_prefix="push") as pool:
            while True:
                late = clock.monotonic() >= ends
                idle = not self.under_way and not self.held  # only then is every lane looked into
                if late:
                    self._give_back()
                elif more:
                    more = self._claim(pool)
                self._begin(pool, [self.held.popleft() for _ in range(len(self.held))])
                if self.under_way:
                    self._listen()
                if clock.monotonic() - written >= FINISH_EVERY or not self.under_way:
                    settled += self._finish()
                    written = clock.monotonic()
                    if not self.under_way and (late or (idle and not more)):
                        return settled
                    more = True

    def _claim(self, pool: ThreadPoolExecutor) -> bool:
        """Takes on as much as there are free threads, in handfuls; whether there may be more."""
        found = False
        settings = self.wiring.settings
        for lane, share in LANES.items():
            most = int(self.threads * share)
            places = min(self.threads - self.under_way, most - self.lanes[lane])
            if places <= 0 or (self.under_way and places < most // HANDFUL):
                continue
            full = {host for host, calls in self.hosts.items() if calls >= settings.push_per_host}
            full |= {mine.host for mine in self.held}
            with self.wiring.db.transaction() as session:
                claim = pushes.claim(
                    session, priorities=lane, size=places, lease_seconds=settings.lease_seconds, beside=full
                )
            if claim is None:
                continue
            found = True
            self._read_documents({row.topic_id for row in claim.rows if row.kind == "document"})
            self._begin(pool, [_Mine(claim.token, row) for row in claim.rows])
        return found

    def _give_back(self) -> None:
        """What is held for a place at its host when the task's time is over."""
        for mine in self.held:
            with self.wiring.db.transaction() as session:
                pushes.give_back(session, mine.token, [mine.row.id])
        self.held.clear()

    def _read_documents(self, topic_ids: Collection[int]) -> None:
        """The newest version of each topic, whatever the push was made for: what is newest is what is wanted."""
        with self.wiring.db.reading() as session:
            rows = session.execute(
                select(HubTopic.id, HubTopic.format, Feed.name, Artifact.etag)
                .join(Feed, Feed.id == HubTopic.feed_id)
                .join(Artifact, (Artifact.feed_id == HubTopic.feed_id) & (Artifact.format == HubTopic.format))
                .where(HubTopic.id.in_(topic_ids), Feed.private.is_(False), Feed.gone.is_(False))
            ).all()
            for over in set(topic_ids) - {row.id for row in rows}:
                self.documents.pop(over, None)
            for topic_id, fmt, name, etag in rows:
                known = self.documents.get(topic_id)
                if known is not None and known.etag == etag:
                    continue
                row = session.execute(
                    select(Artifact.etag, Artifact.gzip)
                    .join(HubTopic, (Artifact.feed_id == HubTopic.feed_id) & (Artifact.format == HubTopic.format))
                    .where(HubTopic.id == topic_id)
                ).one()
                address = feed_url(self.wiring.base_url, name, fmt)
                headers = {
                    "Content-Type": f"{FORMATS[fmt].media_type}; charset=utf-8",
                    "Link": f'<{hub_url(self.wiring.base_url)}>; rel="hub", <{address}>; rel="self"',
                }
                self.documents[topic_id] = Document(row.etag, gzip.decompress(row.gzip), headers)

    def _begin(self, pool: ThreadPoolExecutor, claimed: list[_Mine]) -> None:
        for mine in claimed:
            if self.hosts[mine.host] >= self.wiring.settings.push_per_host:
                self.held.append(mine)
                continue
            self.hosts[mine.host] += 1
            self.lanes[_LANE_OF[mine.row.priority]] += 1
            self.under_way += 1
            pool.submit(self._work, mine, self.documents.get(mine.row.topic_id))

    def _work(self, mine: _Mine, document: Document | None) -> None:
        """In a thread. Whatever happens there is an answer, else the round would wait for ever."""
        answer, began = Answer(0, "the call broke off here"), clock.monotonic()
        try:
            answer = self._call(mine.row, document if mine.row.kind == "document" else None)
        except Exception:
            log.exception("push.broken", push=mine.row.id)
        finally:
            self.answers.put((mine, document.etag if document else "", answer, clock.monotonic() - began > SLOW))

    def _listen(self) -> None:
        """Waits for an answer, a moment at most, and takes all that are there."""
        try:
            self._take(*self.answers.get(timeout=FINISH_EVERY))
            while True:
                self._take(*self.answers.get_nowait())
        except Empty:
            return

    def _call(self, row: Claimed, document: Document | None) -> Answer:
        intent = row.intent
        if row.kind == "ping":
            form = urlencode({"hub.mode": "publish", "hub.url": intent["topic"], "hub.topic": intent["topic"]}).encode()
            return self.caller.call(
                "POST", row.target, body=form, headers={"Content-Type": "application/x-www-form-urlencoded"}
            )
        if row.kind == "verify":
            said = {"hub.mode": intent["mode"], "hub.topic": intent["topic"], "hub.challenge": intent["challenge"]}
            if intent["mode"] == "subscribe":
                said["hub.lease_seconds"] = str(intent["lease_seconds"])
            return self.caller.call("GET", with_query(row.target, said))
        if row.kind == "denied":
            said = {"hub.mode": "denied", "hub.topic": intent["topic"], "hub.reason": intent["reason"]}
            return self.caller.call("GET", with_query(row.target, said))
        if document is None:
            return Answer(0, "the feed has no document now")
        headers = {**document.headers, "X-Syndication-Push": str(row.id)}
        if row.secret is not None:
            method = self.wiring.settings.hub_signature
            headers["X-Hub-Signature"] = f"{method}={hmac.new(row.secret, document.body, method).hexdigest()}"
        return self.caller.call("POST", row.target, body=document.body, headers=headers)

    def _take(self, mine: _Mine, etag: str, answer: Answer, slow: bool) -> None:
        self.under_way -= 1
        self.hosts[mine.host] -= 1
        self.lanes[_LANE_OF[mine.row.priority]] -= 1
        verdict = self._judge(mine.row, answer)
        self.results.setdefault(mine.token, []).append(
            Result(mine.row.id, verdict.state, verdict.answer, etag=etag, due_at=verdict.again, slow=slow)
        )

    def _judge(self, row: Claimed, answer: Answer) -> Verdict:
        now, chance = clock.now(), random.random()  # noqa: S311  # jitter
        if row.kind == "document":
            return judge_document(answer, row.attempts, now, row.lease_until or now, chance)
        if row.kind == "verify":
            return judge_verify(answer, row.intent["challenge"], row.attempts, now, chance)
        return judge_courtesy(answer, row.attempts, now, chance)

    def _finish(self) -> int:
        """Everything that is over into the ledger; how many pushes are settled by it."""
        results, self.results = self.results, {}
        for token, mine in results.items():
            with self.wiring.db.transaction() as session:
                pushes.finish(session, token, mine)
                agreed = {r.push_id: r.slow for r in mine if r.state == "done"}
                for question in session.scalars(
                    select(Push).where(Push.id.in_(agreed), Push.kind == "verify", Push.state == "done")
                ):
                    hub.agreed(session, question, slow=agreed[question.id])
        return sum(r.state != "pending" for mine in results.values() for r in mine)


def with_query(address: str, said: dict[str, str]) -> str:
    """The callback with parameters added; those it has stay as they are (WebSub §5.3)."""
    joint = "&" if urlsplit(address).query else "" if address.endswith("?") else "?"
    return f"{address}{joint}{urlencode(said)}"

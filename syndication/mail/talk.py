"""Mail transactions on one open connection: what may be written when, and whom each answer concerns. Pure: bytes in and out.

The relay's offers decide how. PIPELINING with CHUNKING: whole messages one behind the other, `window` of them unanswered at
most. PIPELINING alone: a message's end and the next one's envelope go together, so that each costs one round trip (DATA must
be the last of a group, RFC 2920 §3.1). Neither: one command, one answer.

Guarantees: no byte of a message is written before `hand_over`; each message gets one receipt, or is given back as not begun.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from syndication.mail.reply import Step, judge
from syndication.mail.transport import Answer, Parcel, Receipt
from syndication.mail.wire import Features, Nonsense, Reply, ReplyReader, envelope, stuffed

BROKE_BEFORE = "the connection ended before the mail was handed over"
BROKE_AFTER = "the connection ended before the relay answered"
_NO_SUCH_PARAMETER = frozenset({501, 504, 555})  # RFC 5321 §4.1.1.11
_RSET, _MAIL, _RCPT, _DATA, _END, _DOT = "rset", "mail", "rcpt", "data", "end", "dot"


@dataclass(slots=True, eq=False)
class Job:
    """A message on its way through one connection, or waiting for another. `drops`: connections that broke under it, `first`
    those of them that had not brought any other to an answer, so that it may be this one that they break off for."""

    parcel: Parcel
    drops: int = 0
    first: int = 0
    refusal: Receipt | None = None  # of its recipient: that is its receipt, whatever follows
    turned: bool = False  # refused for a reason of ours: it was not begun
    handed_over: bool = False
    ends_at: int = 0  # how many bytes of the connection it takes until its end mark is out


class Talk:
    """`finished`: how many messages this connection brought to an answer; `heard`: how many replies came.

    `trouble`: the relay will take no mail of ours, and why. `door`: messages whose bytes it is ready for.
    """

    def __init__(self, offered: Features, window: int = 1) -> None:
        self.pipelining = "PIPELINING" in offered
        self.chunking = "CHUNKING" in offered
        self.windowed = self.pipelining and self.chunking and window > 1
        self.window = window if self.windowed else 2 if self.pipelining else 1
        self.offered = offered
        self.out: list[bytes] = []
        self.queued = 0
        self.jobs: deque[Job] = deque()
        self.door: list[Job] = []
        self.finished = 0
        self.heard = 0  # replies
        self.trouble = ""
        self.closing = False
        self.pushed_back = False  # the 421 was about one recipient's provider, not about us
        self.farewell = False  # 421: nothing behind it was read (RFC 5321 §3.8)
        self._answers: list[Answer] = []
        self._reader = ReplyReader()
        self._expected: deque[tuple[str, Job | None]] = deque()
        self._todo: deque[tuple[str, Job, bytes]] = deque()
        self._barrier = False  # nothing may be written until the answer to DATA, or until a message is handed over
        self._open = False  # a transaction that RSET has to end

    @property
    def room(self) -> int:
        """How many more messages it takes now."""
        return 0 if self.trouble or self.closing else self.window - len(self.jobs)

    @property
    def over(self) -> bool:
        """Nothing more will be answered that matters: hang up."""
        return self.closing or bool(self.trouble and not any(job.handed_over for job in self.jobs))

    @property
    def waits(self) -> bool:
        """The relay owes an answer."""
        return bool(self._expected)

    def give(self, job: Job) -> None:
        """The next message. Where the relay cannot take it, its receipt is there at once."""
        parcel = job.parcel
        if (unfit := self._unfit(parcel)) is not None:
            self._answers.append((parcel, unfit))
            return
        self.jobs.append(job)
        if self.windowed:
            self.door.append(job)
            return
        mail, rcpt = self._envelope(parcel)
        self._todo += ((_MAIL, job, mail), (_RCPT, job, rcpt))
        if not self.chunking:
            self._todo.append((_DATA, job, b"DATA\r\n"))
        self._advance()

    def hand_over(self, job: Job) -> None:
        """Its bytes go, after those of the others."""
        data = job.parcel.data
        if self.windowed:
            if self._expected or self._open:
                self._write(_RSET, None, b"RSET\r\n")  # whatever becomes of the one before
            mail, rcpt = self._envelope(job.parcel)
            self._write(_MAIL, job, mail)
            self._write(_RCPT, job, rcpt)
        if self.chunking:
            self._put(b"BDAT %d LAST\r\n" % len(data))
            self._write(_END, job, data)
        elif job.parcel.plain:
            self._put(data)
            self._write(_END, job, b".\r\n")
        else:
            self._write(_END, job, stuffed(data))
        job.handed_over, job.ends_at = True, self.queued
        self._barrier = False
        self._advance()

    def withdraw(self, job: Job) -> None:
        """It must not go, though the relay is ready for it. After DATA there is no way back but to hang up."""
        self.jobs.remove(job)
        if self.windowed:
            return
        if self.chunking:
            self._barrier = False
            self._advance()
        else:
            self.closing = True

    def hear(self, data: bytes) -> list[Answer]:
        """What the bytes tell. Raises Nonsense for what is no answer to what was said."""
        for reply in self._reader.feed(data):
            self.heard += 1
            self._answer(reply)
        return self.answers()

    def answers(self) -> list[Answer]:
        """What has become known since it was asked last."""
        told, self._answers = self._answers, []
        return told

    def broke(self, why: str, written: int) -> tuple[list[Answer], list[Job]]:
        """The connection is gone after `written` bytes: receipts for what was handed over or refused, and what was not
        begun. The first of those that was waited for has been dropped once more."""
        told, back = self.answers(), []
        waited_for = self._expected[0][1] if self._expected else None
        for job in self.jobs:
            if job.refusal is not None:
                told.append((job.parcel, job.refusal))
            elif job.handed_over and job.ends_at <= written and not job.turned and not self.farewell:
                told.append((job.parcel, Receipt("unknown", f"{BROKE_AFTER}: {why}")))
            else:
                dropped = job is waited_for and not job.turned and not self.closing
                job.drops += dropped
                job.first += dropped and not self.finished
                job.handed_over, job.turned = False, False
                back.append(job)
        self.jobs.clear()
        self.door.clear()
        return told, back

    def _unfit(self, parcel: Parcel) -> Receipt | None:
        if not parcel.recipient.isascii() and "SMTPUTF8" not in self.offered:
            return Receipt("failed", "the relay does not take addresses in this script (SMTPUTF8)")
        if not parcel.plain and not parcel.data.isascii() and "8BITMIME" not in self.offered:
            return Receipt("failed", "the relay does not take names in this script (8BITMIME)")
        if 0 < self.offered.size < len(parcel.data):
            size = f"the mail has {len(parcel.data):,} bytes and the relay takes {self.offered.size:,} (SIZE);"
            return Receipt("unfit", f"{size} let it take more, or lower SYNDICATION_MAIL_MAX_HTML_BYTES.")
        return None

    def _envelope(self, parcel: Parcel) -> tuple[bytes, bytes]:
        parameters = "" if parcel.plain or parcel.data.isascii() else " BODY=8BITMIME"
        if not parcel.recipient.isascii():
            parameters += " SMTPUTF8"
        return envelope(parcel.sender, parcel.recipient, parameters)

    def _put(self, data: bytes) -> None:
        self.out.append(data)
        self.queued += len(data)

    def _write(self, step: str, job: Job | None, data: bytes) -> None:
        self._put(data)
        self._expected.append((step, job))

    def _advance(self) -> None:
        """Writes what may go now."""
        while self._todo and not self._barrier and (self.pipelining or not self._expected):
            step, job, data = self._todo[0]
            if step == _MAIL and self._open:
                self._open = False
                self._write(_RSET, None, b"RSET\r\n")
                continue
            self._todo.popleft()
            self._write(step, job, data)
            self._barrier = step == _DATA or (step == _RCPT and self.chunking)

    def _answer(self, reply: Reply) -> None:
        self.farewell = self.farewell or reply.code == 421
        self.closing = self.closing or self.farewell
        if not self._expected:
            if reply.code != 421:
                raise Nonsense(f"an answer to nothing: {reply.code} {reply.words[:60]!r}")
            return
        step, job = self._expected.popleft()
        good = 200 <= reply.code < 300
        if job is None:
            if not good:
                self._in_trouble(_RSET, reply)
        elif step == _MAIL:
            if not good:
                self._unmailed(job, reply)
        elif step == _RCPT:
            self._open = not self.windowed
            if job.refusal is not None:
                self._pass_over(job)
            elif not good:
                self._refused(job, "rcpt", reply)
            elif self.chunking and not self.windowed and not job.turned:
                self.door.append(job)
        elif step == _DATA:
            self._on_data(job, reply)
        elif step == _DOT:
            self._finish(job, job.refusal)
        else:
            self._on_end(job, reply)
        self._advance()

    def _on_data(self, job: Job, reply: Reply) -> None:
        if reply.code == 354 and job.turned:
            self.closing = True
            return
        if reply.code == 354 and not job.refusal:
            self.door.append(job)
            return
        self._barrier = False
        if reply.code == 354:  # a recipient was refused and DATA taken all the same (RFC 2920 §3.1): an empty one
            self._open = False
            self._write(_DOT, job, b".\r\n")
        elif job.refusal:
            self._finish(job, job.refusal)
        elif not job.turned:
            self._refused(job, "data", reply)
            self._finish(job, job.refusal)

    def _on_end(self, job: Job, reply: Reply) -> None:
        good = 200 <= reply.code < 300
        self._open = self.chunking and not good  # RFC 3030 §2: only RSET ends a transaction whose BDAT failed
        job.handed_over = good or not job.turned
        if job.refusal is None and not (job.turned and not good):
            verdict = judge("end", reply.code, reply.words)
            # No answer that SMTP knows, after the message was handed over: nobody can say what became of it.
            job.refusal = Receipt("unknown" if verdict.state == "trouble" else verdict.state, verdict.reply)
            self.closing = self.closing or verdict.state == "trouble"
            self.pushed_back = self.pushed_back or reply.code == 421
        self._finish(job, job.refusal)

    def _refused(self, job: Job, step: Step, reply: Reply) -> None:
        verdict = judge(step, reply.code, reply.words)
        if verdict.state == "trouble" or job.turned:
            job.turned = True
            self._in_trouble(step, reply)
            return
        self.pushed_back = self.pushed_back or reply.code == 421
        job.refusal = Receipt("deferred" if verdict.state == "deferred" else "failed", verdict.reply)
        if step == "rcpt":
            self._pass_over(job)

    def _unmailed(self, job: Job, reply: Reply) -> None:
        """Who refuses MAIL refuses us; but where it was asked for SMTPUTF8 and knows no such thing after all, one address."""
        if reply.code in _NO_SUCH_PARAMETER and not job.parcel.recipient.isascii():
            job.refusal = Receipt("failed", judge("rcpt", reply.code, reply.words).reply)
            if not self.pipelining:  # else RCPT is on its way too, and its answer is waited for
                self._pass_over(job)
            return
        job.turned = True
        self._in_trouble(_MAIL, reply)

    def _pass_over(self, job: Job) -> None:
        """Nothing more of a refused message is said, where it has not been said already."""
        if self.windowed or (self.pipelining and not self.chunking):
            return
        while self._todo and self._todo[0][1] is job:
            self._todo.popleft()
        self._barrier = False
        self._finish(job, job.refusal)

    def _in_trouble(self, step: str, reply: Reply) -> None:
        if not self.trouble:
            said = " ".join(f"{reply.code} {reply.words}".split())[:1_000]
            self.trouble = f"answered {said!r} to {step.upper()}"

    def _finish(self, job: Job, receipt: Receipt | None) -> None:
        """`job` is answered; without a receipt it stays, to be given back when the connection ends."""
        if receipt is not None:
            self.jobs.remove(job)
            self.finished += 1
            self._answers.append((job.parcel, receipt))

"""One run of messages through several connections, in one thread that never blocks: give, ask once more, write, wait, hear.

Guarantees: what was handed over is told with its receipt before anything is raised; what was not begun goes by another
connection, and is deferred when that one breaks under it too; nothing is given to a relay that refuses us.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from syndication.mail.line import Broken, Line, Place, farewell
from syndication.mail.talk import BROKE_BEFORE, Job
from syndication.mail.transport import Answer, Outgoing, Receipt
from syndication.mail.wire import Nonsense, Refused

FRUITLESS = 5  # connections in a row that broke without one answer to a message
MOST_FIRST, MOST_DROPS = 2, 8  # connections that may break under one message, at their first and in all


class Habits:
    """What a relay turned out to allow, kept while the process uses it.

    `most` connections, `limit` messages on each (0: none was met), `window` unanswered messages on each; `places` are its
    addresses, less those that did not answer.
    """

    def __init__(self, most: int, window: int) -> None:
        self.most, self.window, self.limit = max(1, most), max(1, window), 0
        self.places: list[Place] = []
        self._closed_after = 0

    def unreachable(self, place: Place) -> bool:
        """Whether there is another address to try."""
        if place in self.places:
            self.places.remove(place)
        return bool(self.places)

    def closed(self, finished: int, lost: bool) -> None:
        """A connection was closed by the other side after so many messages; `lost`: with some of them unanswered."""
        if finished and finished == self._closed_after:
            self.limit = finished
        self._closed_after = finished
        if lost:
            self.window = 1


class Traffic:
    """`lines` are connections that are open already and may be used further; `connect` makes another."""

    def __init__(
        self, outgoing: Outgoing, lines: list[Line], connect: Callable[[], Line], habits: Habits, patience: float
    ) -> None:
        self.lines = lines
        self.trouble = ""
        self._outgoing, self._connect, self._habits = outgoing, connect, habits
        self._ends = time.monotonic() + patience
        self._back: deque[Job] = deque()
        self._answers: list[Answer] = []
        self._dry = self._lost_one = False
        self._fruitless = 0
        self._selector = selectors.DefaultSelector()
        self._watched: dict[Line, int] = {}

    def run(self) -> None:
        """Until there is nothing more, or `trouble` says why nothing more can go."""
        if not self.lines:  # no connection for nothing
            self._back.extend(map(Job, self._outgoing.next(1)))
        with self._selector:
            for line in self.lines:
                self._watch(line)
            try:
                while self._round():
                    pass
            except BaseException:
                self._drop_all("the sender stopped")
                raise
        if self.trouble:
            self._drop_all(self.trouble)

    def _round(self) -> bool:
        self._lost_one = False
        if not self.trouble:
            self._retire()
            if self._outgoing.takes_time(sum(map(self._room, self.lines)) - len(self._back)):
                self._through_the_door()  # the relay need not wait for what is made ready meanwhile
                self._flush()
            self._give()
            self._through_the_door()
            self._open_more()
        self._flush()
        self._tell()
        if self._over():
            return False
        self._wait()
        self._tell()
        return not self._over()

    def _flush(self) -> None:
        for line in list(self.lines):
            self._guarded(line, line.flush)

    def _over(self) -> bool:
        if self.trouble:
            return not any(line.owes for line in self.lines)
        return self._dry and not self._back and not any(line.talk is not None and line.talk.jobs for line in self.lines)

    def _retire(self) -> None:
        """Leaves a connection that has had as many messages as the relay takes on one, before the relay leaves it."""
        left = []
        for line in list(self.lines):
            line.begin(self._habits.window)
            idle = line.talk is not None and not line.talk.jobs
            if idle and line.talk is not None and 0 < self._habits.limit <= line.talk.finished:
                self._forget(line)
                left.append(line)
        farewell(left)

    def _room(self, line: Line) -> int:
        if line.talk is None:
            return 0
        room = line.talk.room
        if self._habits.limit:
            room = min(room, self._habits.limit - line.talk.finished - len(line.talk.jobs))
        return max(0, room)

    def _give(self) -> None:
        rooms = {line: self._room(line) for line in self.lines}
        total = sum(rooms.values())
        if total > len(self._back):
            fresh = self._outgoing.next(total - len(self._back))
            self._dry = not fresh
            self._back.extend(map(Job, fresh))
        while self._back and any(rooms.values()):
            for line, room in rooms.items():
                if room and self._back and line.talk is not None:
                    line.talk.give(self._back.popleft())
                    self._answers += line.talk.answers()
                    rooms[line] = room - 1

    def _through_the_door(self) -> None:
        waiting = [(line, job) for line in self.lines if line.talk is not None for job in line.talk.door]
        if not waiting:
            return
        may = self._outgoing.going([job.parcel for _, job in waiting])
        for (line, job), allowed in zip(waiting, may, strict=True):
            assert line.talk is not None
            if allowed:
                line.talk.hand_over(job)
            else:
                line.talk.withdraw(job)
                self._dry = False
        for line in self.lines:
            if line.talk is not None:
                line.talk.door.clear()

    def _open_more(self) -> None:
        """One first, to learn whether the relay takes us; then as many as there is work for, at once."""
        opening = sum(line.talk is None for line in self.lines)
        if any(map(self._room, self.lines)):
            return
        proved = opening < len(self.lines)
        wanted = (len(self._back) if self._dry else self._habits.most) if proved else 1
        for _ in range(min(wanted - opening, self._habits.most - len(self.lines))):
            try:
                line = self._connect()
            except OSError as error:
                self._no_more_connections(f"cannot be used: {error.strerror or error}")
                return
            self.lines.append(line)
            self._watch(line)

    def _guarded(self, line: Line, act: Callable[[], object]) -> None:
        try:
            act()
        except (Broken, Nonsense) as error:
            self._lost(line, str(error))
        except Refused as error:
            self._lost(line, str(error), refused=True)
        else:
            if line.talk is not None and line.talk.over:
                ours = not line.talk.farewell or line.talk.pushed_back
                self._lost(line, line.talk.trouble or "it said farewell", ours=ours)

    def _wait(self) -> None:
        waits = [line.since + line.timeout for line in self.lines if line.waits]
        until = 0.0 if self._lost_one or not waits else min(self._ends, *waits)
        for line in self.lines:
            self._watch(line)
        self._listen(max(0.0, until - time.monotonic()))
        now = time.monotonic()
        if self._late(now):
            self._listen(0)  # a process that was stopped, or slept, finds its time over and answers that came meanwhile
            for line in self._late(now):
                self._lost(line, "it did not answer in time", ours=True)
        if now >= self._ends:
            self.trouble = self.trouble or "did not answer in the time there was"

    def _listen(self, seconds: float) -> None:
        for key, mask in self._selector.select(seconds):
            heard: Line = key.data
            if mask & selectors.EVENT_READ:
                self._guarded(heard, partial(self._hear, heard))

    def _late(self, now: float) -> list[Line]:
        return [line for line in self.lines if line.expired(now) or (now >= self._ends and line.waits)]

    def _hear(self, line: Line) -> None:
        self._answers += line.read()

    def _tell(self) -> None:
        if self._answers:
            told, self._answers = self._answers, []
            self._outgoing.done(told)
            self._dry = False  # what is answered may lead to more

    def _lost(self, line: Line, why: str, *, refused: bool = False, ours: bool = False) -> None:
        """A connection that is gone (`ours`: we hung up): tells what became of its messages, keeps the rest, and learns."""
        self._lost_one = True
        self._forget(line)
        told, back = line.broke(why)
        self._answers += told
        for job in back:
            if job.first >= MOST_FIRST or job.drops >= MOST_DROPS:
                self._answers.append((job.parcel, Receipt("deferred", f"{BROKE_BEFORE}: {why}")))
            else:
                self._back.append(job)
        if line.talk is None:
            if line.connecting and self._habits.unreachable(line.place):
                return
            self._no_more_connections(why if refused else f"cannot be used: {why}")
            return
        if line.talk.trouble:
            self.trouble = self.trouble or line.talk.trouble
        if not ours:
            self._habits.closed(line.talk.finished, any(receipt.state == "unknown" for _, receipt in told))
        self._fruitless = 0 if line.talk.finished or line.talk.pushed_back else self._fruitless + 1
        if self._fruitless > FRUITLESS:
            self.trouble = self.trouble or f"ends each connection before it takes a mail: {why}"

    def _no_more_connections(self, why: str) -> None:
        """One could not be opened: make do with those there are; without any the way is blocked."""
        if any(line.talk is not None for line in self.lines):
            self._habits.most = len(self.lines)
        else:
            self.trouble = self.trouble or why

    def _watch(self, line: Line) -> None:
        mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_to_write else 0)
        known = self._watched.get(line)
        if known is None:
            self._selector.register(line, mask, line)
        elif known != mask:
            self._selector.modify(line, mask, line)
        self._watched[line] = mask

    def _forget(self, line: Line) -> None:
        self._selector.unregister(line)
        del self._watched[line]
        self.lines.remove(line)

    def _drop_all(self, why: str) -> None:
        for line in self.lines:
            line.broke(why)
        self.lines.clear()

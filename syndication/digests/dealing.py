"""Deal out one chunk: move its people's cursors and say who is owed which edition.

Guarantees: the windows come from the statement that moved the cursors, so nobody is owed anything twice; the entries are
read after that, in each chunk anew, since one may have been corrected or withdrawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.orm import Session

from syndication.digests.editions import Pinned
from syndication.digests.windows import MailableEntry, Wishes, window
from syndication.ledger import carrying, cursors
from syndication.ledger.cursors import Alike
from syndication.ledger.due import Cut
from syndication.ledger.notices import current

_REMEMBERED = 50_000  # windows and editions kept in memory between chunks

Notice = tuple[str, int]  # language, id
Person = tuple[int, str]  # subscriber id, address key
Dealt = dict[Pinned, list[Person]]


@dataclass
class Memory:
    """What chunks share. Cleared when it grows or when the entries change; losing it costs time only."""

    entries: tuple[MailableEntry, ...] = ()
    windows: dict[tuple[Notice, Wishes], Pinned] = field(default_factory=dict)
    editions: dict[Pinned, int] = field(default_factory=dict)  # committed ones only

    def keep(self, editions: Mapping[Pinned, int]) -> None:
        if len(self.editions) + len(self.windows) > _REMEMBERED:
            self.editions.clear()
            self.windows.clear()
        self.editions.update(editions)

    def read(self, entries: tuple[MailableEntry, ...]) -> None:
        if entries != self.entries:
            self.windows.clear()
            self.entries = entries

    def owed(
        self, notice: Notice, wishes: Wishes, without: Collection[int] = (), more: Collection[MailableEntry] = ()
    ) -> Pinned:
        """What somebody with these wishes gets, with the entries `more` and less those `without`; perhaps nothing."""
        if without or more:
            entries = {entry.id: entry for entry in (*more, *window(self.entries, wishes)) if entry.id not in without}
            return _pinned(notice, sorted(entries.values(), key=lambda entry: entry.mail_seq))
        found = self.windows.get((notice, wishes))
        if found is None:
            found = self.windows[notice, wishes] = _pinned(notice, window(self.entries, wishes))
        return found


def _pinned(notice: Notice, entries: Iterable[MailableEntry]) -> Pinned:
    return Pinned(*notice, tuple((entry.id, entry.revision_id) for entry in entries))


class _Special(NamedTuple):
    """What makes somebody's `all` less than all; see `Wishes`."""

    shielded: frozenset[int] = frozenset()
    starts: tuple[tuple[int, int], ...] = ()


def deal(session: Session, issue_id: int, cut: Cut, after: int, until: int, memory: Memory) -> Dealt:
    """Moves the cursors of the subscribers in (after, until]; who of them gets what. Somebody with nothing is left out."""
    alike = cursors.move(session, issue_id, cut, after, until)
    if not alike:
        return {}
    special = _special(session, cut, [id_ for some in alike if some.stood[0][0] == 0 for id_, _ in some.people])
    memory.read(_entries(session, cut, alike, special))
    carried = _carried(session, issue_id, alike, special, after, until)
    more = {entry.id for entries in carried.values() for entry in entries}
    anew = {entry.id for entry in memory.entries if entry.anew}
    had = cursors.already_had(session, sorted(anew | more), after, until)
    odd = special.keys() | had.keys() | carried.keys()  # for whom their cursors are not all there is to it
    notices = _Notices(session, cut.publication_id)
    dealt: Dealt = defaultdict(list)
    for language, stood, people in alike:
        notice = notices[language]
        dealt[memory.owed(notice, Wishes(stood))] += [one for one in people if one[0] not in odd] if odd else people
        for person in [one for one in people if one[0] in odd] if odd else ():
            wishes = Wishes(stood, *special.get(person[0], ()))
            owed = memory.owed(notice, wishes, had.get(person[0], ()), carried.get(person[0], ()))
            dealt[owed].append(person)
    return {pinned: people for pinned, people in dealt.items() if pinned.entries and people}


class _Notices(dict[str, Notice]):
    """A person's language → language and id of the notice they get, looked up once."""

    def __init__(self, session: Session, publication_id: int) -> None:
        super().__init__()
        self._ask = session, publication_id

    def __missing__(self, language: str) -> Notice:
        notice = current(*self._ask, language)
        self[language] = notice.language, notice.id
        return self[language]


def _special(session: Session, cut: Cut, everything: list[int]) -> dict[int, _Special]:
    """By subscriber: what the moved `all` subscriptions leave out, and where they start a series elsewhere."""
    if not everything:
        return {}
    shielded, starts = cursors.shields(session, everything), cursors.starts(session, everything)
    if starts:
        cursors.use_up(session, list(starts), cut.upto)
    return {
        id_: _Special(frozenset(shielded.get(id_, ())), tuple(sorted(starts.get(id_, ()))))
        for id_ in shielded.keys() | starts.keys()
    }


def _carried(
    session: Session, issue_id: int, alike: Iterable[Alike], special: Mapping[int, _Special], after: int, until: int
) -> dict[int, list[MailableEntry]]:
    """By subscriber, what an issue that was cancelled left for them and this one brings; nobody else will."""
    waiting = carrying.waiting(session, after, until)
    if not waiting:
        return {}
    scopes = {id_: {scope for scope, _ in some.stood} for some in alike for id_, _ in some.people}
    mine = [
        row
        for person, rows in waiting.items()
        for row in rows
        if carrying.covered(row.series_id, scopes.get(person, ()), special.get(person, _Special()).shielded)
    ]
    taken = carrying.take(session, mine, issue_id)
    there = {row[0]: MailableEntry(*row) for row in carrying.published(session, [entry for _, entry in taken])}
    found: dict[int, list[MailableEntry]] = defaultdict(list)
    for person, entry in sorted(taken):
        if entry in there:
            found[person].append(there[entry])
    return found


def _entries(
    session: Session, cut: Cut, alike: Iterable[Alike], special: Mapping[int, _Special]
) -> tuple[MailableEntry, ...]:
    """Every entry that may lie in somebody's window. Series by series: a cursor that was moved at once may have stood for years
    where nothing came."""
    began = [pair for some in alike for pair in some.stood] + [pair for one in special.values() for pair in one.starts]
    oldest: dict[int, int] = {}
    for scope, cursor in began:
        oldest[scope] = min(oldest.get(scope, cursor), cursor)
    return tuple(MailableEntry(*row) for row in cursors.mailable(session, cut.publication_id, oldest, cut.upto))

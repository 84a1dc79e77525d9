"""What an import did, for people and for `--json`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from syndication.errors import SyndicationError

_LINE = re.compile(r"(?:, line |\(at line )(\d+)")


@dataclass(frozen=True, slots=True)
class Imported:
    """`act`: created, changed (an unpublished draft), waiting (a published entry's next text) or unchanged."""

    entry_id: int
    act: str
    series: str
    slug: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A document that was not taken: where it is (`line` is None where no line can be blamed), why, and what to do."""

    source: str
    reason: str
    remedy: str
    line: int | None = None


@dataclass
class ImportReport:
    """What an import did. `warnings` are (source, sentence)."""

    entries: list[Imported] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def acts(self, *acts: str) -> list[Imported]:
        return [e for e in self.entries if e.act in acts]

    @property
    def created(self) -> list[Imported]:
        return self.acts("created")

    @property
    def changed(self) -> list[Imported]:
        return self.acts("changed", "waiting")

    @property
    def unchanged(self) -> list[Imported]:
        return self.acts("unchanged")

    def fail(self, error: SyndicationError, source: str) -> None:
        where, reason = error.where or source, error.what.rstrip(";")
        line = _LINE.search(where) or _LINE.search(reason)
        self.failures.append(Failure(where, reason, error.remedy, int(line[1]) if line else None))

    def warn(self, source: str, *sentences: str) -> None:
        self.warnings += [(source, sentence) for sentence in sentences]

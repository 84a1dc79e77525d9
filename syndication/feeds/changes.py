"""Why a feed's document changed: what it was made of, and how that differs from what it was made of before. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 20  # changes of a feed that are remembered


@dataclass(frozen=True, slots=True)
class Facts:
    """`entries`: entry id → [revision, title]; `notices`: language → version; `frame`: name of what surrounds them → its value;
    `older`: the page of the archive that it goes on with."""

    entries: dict[str, list[Any]] = field(default_factory=dict)
    notices: dict[str, int] = field(default_factory=dict)
    frame: dict[str, str] = field(default_factory=dict)
    older: str = ""

    def stored(self) -> dict[str, Any]:
        return asdict(self)


def differences(before: Mapping[str, Any] | None, now: Facts) -> list[str]:
    """One sentence for each cause."""
    if before is None:
        return ["it is new"]
    was = Facts(**before)
    said = []
    for number, (revision, title) in now.entries.items():
        if number not in was.entries:
            said.append(f"entry {number} “{title}” came in")
        elif was.entries[number][0] != revision:
            said.append(f"entry {number} “{title}” went from revision {was.entries[number][0]} to {revision}")
    moved = was.older != now.older
    for number, (_, title) in was.entries.items():
        if number not in now.entries:
            said.append(f"entry {number} “{title}” left{', or lies in the archive' if moved else ''}")
    for language in sorted({*was.notices, *now.notices}):
        if (
            was.notices.get(language) != now.notices.get(language)
            and language in was.notices
            and language in now.notices
        ):
            said.append(f"the notice ({language}) went from version {was.notices[language]} to {now.notices[language]}")
    for name, value in now.frame.items():
        if was.frame.get(name) != value:
            said.append(f"{name} was {was.frame.get(name) or 'nothing'} and is {value or 'nothing'}")
    if moved:
        said.append("its archive has another newest page")
    return said or ["what surrounds its entries: the title of a series, a part's number, a date"]

"""Every state and every move, in one place. Pure.

entry         draft ↔ scheduled → published ↔ withdrawn; draft → published
issue         cut → freezing → frozen → done;  freezing → empty;  cut | freezing | frozen → cancelled
              (paused is a flag: freezing goes on, claims stop)
delivery      pending → sending → sent
              sending → pending    the journal says: not begun
              sending → deferred   refused for now (4xx); due again at a set time → sending
              sending → failed     refused for good (5xx), or the ladder is used up; → pending by hand
              sending → unknown    begun, and the reply was lost; → sent | pending by policy or by hand,
                                   → deferred | failed by a journal that turns up late
              pending | deferred → suppressed | cancelled
subscription  asked → active → ended(reason); ended → active when they confirm anew
push          pending → sending → done | gone (410) | failed (no longer wanted, or refused for good)
              sending → pending    tried again later, until the subscription's lease ends
              pending → superseded | failed     a newer document is owed instead; the subscription ended
"""

from __future__ import annotations

from typing import Final

from syndication.errors import Conflict

ENTRY: Final[dict[str, set[str]]] = {
    "draft": {"scheduled", "published"},
    "scheduled": {"draft", "published"},
    "published": {"withdrawn"},
    "withdrawn": {"published"},
}
ISSUE: Final[dict[str, set[str]]] = {
    "cut": {"freezing", "cancelled"},
    "freezing": {"frozen", "empty", "cancelled"},
    "frozen": {"done", "cancelled"},
    "done": {"frozen"},  # a failed or unknown delivery was sent again by hand
    "empty": set(),
    "cancelled": set(),
}
DELIVERY: Final[dict[str, set[str]]] = {
    "pending": {"sending", "suppressed", "cancelled"},
    "sending": {"sent", "pending", "deferred", "failed", "unknown", "suppressed", "cancelled"},
    "deferred": {"sending", "suppressed", "cancelled", "pending"},
    "sent": set(),
    "suppressed": set(),
    "failed": {"pending"},
    "unknown": {"sent", "pending", "deferred", "failed"},
    "cancelled": set(),
}
SUBSCRIPTION: Final[dict[str, set[str]]] = {
    "asked": {"active", "ended"},
    "active": {"ended"},
    "ended": {"active", "asked"},
}
PUSH: Final[dict[str, set[str]]] = {
    "pending": {"sending", "superseded", "failed"},
    "sending": {"done", "gone", "failed", "pending"},
    "done": set(),
    "gone": set(),
    "failed": set(),
    "superseded": set(),
}

UNSETTLED: Final = ("pending", "sending", "deferred")
DELIVERY_STATES: Final = tuple(DELIVERY)


def move(what: str, table: dict[str, set[str]], name: str, old: str, new: str) -> str:
    """`new`, if `old → new` is listed in `table`; else Conflict naming `what` (entry, issue, …) and `name`."""
    if new not in table[old]:
        may = ", ".join(sorted(table[old])) or "nothing further"
        raise Conflict(f"{what} {name} is {old} and cannot become {new};", remedy=f"from {old} it may become {may}.")
    return new

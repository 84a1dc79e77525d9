"""What follows from a relay's answer for one delivery: when it is tried again, and whether the try counts. Pure.

A try that the provider refused because of us (too fast, too busy, blocked) uses up nobody's ladder; a person's mail fails
only by what is true of that person or that mail.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from syndication.ledger.claims import Outcome
from syndication.mail.meaning import Meaning, meaning_of, retry_seconds

REFUSED: Final = ("deferred", "failed")
SOUR: Final = 3  # messages in a row that a relay refuses because of us; fewer may be one recipient's own idea
ILL_FROM: Final = 20  # people of one domain whom it calls unknown in one slice
_DESTINATION = {
    "fine": "nothing changes",
    "slow": "it is sent less a second for a while",
    "stop": "it is left alone for some minutes, then begun with one message at a time",
    "block": "where it refuses mail after mail it is paused until it is released",
}


def weighed(outcome: Outcome) -> Outcome:
    """The outcome with what its reply asks for; what a destination holds waits for that."""
    if outcome.state not in REFUSED or outcome.held_by is not None:
        return outcome
    meaning = meaning_of(outcome.reply)
    return replace(
        outcome,
        state="deferred" if meaning.mendable else outcome.state,
        own_seconds=retry_seconds(meaning, outcome.reply),
        free=meaning.destination in {"slow", "stop"},
        once_more=meaning.destination == "block",
    )


def calls_invalid(outcome: Outcome) -> bool:
    """Whether the answer says, for good, that there is nobody at this address."""
    return outcome.state == "failed" and meaning_of(outcome.reply).person == "invalid"


def doubted(outcomes: Sequence[Outcome], domains: Mapping[int, str]) -> list[Outcome]:
    """Where a domain suddenly knows hardly anybody any more it is the domain that is ill, a directory that is away, say: those
    are tried again instead of believed. `domains`: delivery → mail domain."""
    unknown, known = Counter[str](), Counter[str]()
    for outcome in outcomes:
        unknown[domains.get(outcome.delivery_id, "")] += calls_invalid(outcome)
        known[domains.get(outcome.delivery_id, "")] += outcome.state == "sent"
    ill = {domain for domain, count in unknown.items() if domain and count >= ILL_FROM and 4 * known[domain] < count}
    return [
        replace(outcome, state="deferred")
        if calls_invalid(outcome) and domains.get(outcome.delivery_id) in ill
        else outcome
        for outcome in outcomes
    ]


def in_words(meaning: Meaning, reply: str) -> dict[str, str]:
    """The meaning for the operator: its name, and what it means for the person, the destination and the relay."""
    wait = retry_seconds(meaning, reply)
    person = {
        "fine": "nothing is held against them",
        "full": "their mailbox has no room; it is tried again",
        "invalid": "there is nobody at this address; it gets no more mail until `syndicate subscribers lift`",
    }[meaning.person]
    if wait is not None:
        person += f"; it asks for {wait} s before the next try"
    if meaning.mendable:
        person += "; it is tried again, and fails when the ladder is used up"
    return {
        "meaning": meaning.name,
        "for_person": person,
        "for_destination": _DESTINATION[meaning.destination],
        "for_relay": "nothing changes"
        if meaning.relay == "fine"
        else "it does not take our mail: see `syndicate doctor`",
        "advice": meaning.advice or "Nothing to do.",
    }

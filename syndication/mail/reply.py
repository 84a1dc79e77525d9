"""What a relay's answer means, at each step of a transaction. Pure.

Answers that concern us rather than the recipient (a refused login, a refused sender, a service that closes) are `trouble`:
nobody's delivery fails for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from syndication.mail.meaning import meaning_of

Step = Literal["connect", "mail", "rcpt", "data", "end"]
State = Literal["sent", "deferred", "failed", "trouble"]
_OURS = frozenset({502, 503, 504, 530, 534, 535, 538})  # sequence, syntax, authentication: nothing about this recipient


@dataclass(frozen=True, slots=True)
class Verdict:
    """`state`, and the relay's words as they came, one line, at most 1,000 characters."""

    state: State
    reply: str


def judge(step: Step, code: int, words: bytes | str) -> Verdict:
    """The verdict on reply `code` to `step`. `end` is the answer to the whole message: only there can it be sent."""
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    reply = " ".join(f"{code} {text}".split())[:1_000]
    if 200 <= code < 400:
        return Verdict("sent", reply) if step == "end" and code < 300 else Verdict("trouble", reply)
    if step != "end" and code == 421 and meaning_of(reply).destination in {"slow", "stop"} and "4.7." in reply:
        return Verdict("deferred", reply) if step in {"rcpt", "data"} else Verdict("trouble", reply)
    if step in {"connect", "mail"} or (step != "end" and (code in _OURS or code == 421)):
        return Verdict("trouble", reply)
    if 400 <= code < 500 or code in _OURS:  # after the whole message a refusal is one: it was not taken
        return Verdict("deferred", reply)
    if 500 <= code < 600:
        return Verdict("failed", reply)
    return Verdict("trouble", reply)

"""What a relay's answer means for the person, for the destination and for the relay: one table, the first row that fits. Pure.

Sources: RFC 3463 and its registry of enhanced codes, RFC 5321 §4.2, and what the big providers say in their answers. A policy
refusal is about us, never about the person: nobody is suppressed for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Person = Literal["fine", "full", "invalid"]
Destination = Literal["fine", "slow", "stop", "block"]
Relay = Literal["fine", "trouble"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """`person`: fine | full (mailbox) | invalid (there is nobody). `destination`: fine | slow (send less a second) | stop (for
    `pause_seconds`, then one connection) | block (until a human looks). `retry_seconds`: a wait of its own before the next
    try, instead of the ladder's. `mendable`: it is refused for good, and the operator can change that: it is tried again as if
    it were not. `advice` is for the operator."""

    name: str
    person: Person = "fine"
    destination: Destination = "fine"
    relay: Relay = "fine"
    pause_seconds: int = 0
    retry_seconds: int | None = None
    mendable: bool = False
    advice: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    """Fits a reply with one of the classes, one of the enhanced codes (a regular expression; empty: any or none) and the
    words (likewise)."""

    meaning: Meaning
    classes: str  # "4", "5" or "45"
    enhanced: str = ""
    words: str = ""


_GREY = Meaning("greylisted", retry_seconds=300, advice="Nothing to do: it is asked to come back in some minutes.")
_FAST = Meaning(
    "rate limited",
    destination="stop",
    pause_seconds=600,
    advice="We are sending too fast for this provider: it is left alone, then begun with one connection.",
)
_BUSY = Meaning("busy", destination="slow", advice="The provider asks for less; the rate is lowered by itself.")
_BLOCKED = Meaning(
    "blocked",
    destination="block",
    advice="The provider refuses our mail as such. Look at its words, the sender's reputation, SPF, DKIM and DMARC; "
    "then release the destination.",
)
_SPAM = Meaning(
    "content refused", advice="This mail's content was taken for spam; read the words and look at the edition."
)
_NOBODY = Meaning("no such user", person="invalid", advice="Nothing to do, or ask them for another address.")
_FULL = Meaning("mailbox full", person="full", retry_seconds=6 * 3600)
_PERSON_FAST = Meaning("recipient rate limited", retry_seconds=3600)
_LARGE = Meaning(
    "too large",
    mendable=True,
    advice="The mail is larger than the relay or this provider takes: let it take more, or lower "
    "SYNDICATION_MAIL_MAX_HTML_BYTES.",
)
_AUTH = Meaning("authentication", relay="trouble", advice="The relay does not know us: check user, password and TLS.")
_SENDER = Meaning("sender refused", relay="trouble", advice="The relay does not take our return path or From address.")
_RELAYING = Meaning(
    "relaying denied",
    relay="trouble",
    advice="The relay does not send for us: check user and password, or let our host in.",
)
_SHARE = Meaning(
    "relay limit",
    relay="trouble",
    retry_seconds=900,
    advice="The relay has had as many of our mails as it takes: give it its limits in `[[relays]]`, or raise them with it.",
)
_SYSTEM = Meaning("system trouble", destination="slow")
_CONNECTION = Meaning("cannot be reached", retry_seconds=1800)
_LOOP = Meaning("mail loop", advice="The address forwards in a circle.")
_DEFERRED = Meaning("deferred")
_REFUSED = Meaning("refused")

_ASKED = re.compile(r"\b(?:in|after|for) (\d{1,5}) ?(s|sec|seconds?|m|min|minutes?|h|hours?)\b", re.IGNORECASE)
_UNIT = {"s": 1, "m": 60, "h": 3600}
_LONGEST_ASKED = 6 * 3600
_OUR_HOST = (
    r"\b(your|client|sending|this|ip) (\w+ ){0,2}(ip|host|network|server|address)\b.{0,40}\b(blocked|banned|denied|rejected)|"
    r"\bip\b.{0,40}\b(blocked|banned|denied|rejected)"
)
_LISTS = (
    r"S3140|S3150|block ?list|black ?list|spamhaus|barracuda|proofpoint|blocked (using|by)|(poor|low) reputation|"
    r"reputation of"
)
_NO_PERSON = (
    r"(user|recipient|mailbox|account|address|alias).{0,40}(unknown|not (found|exist)|does ?n.t (exist|have)|does not exist|"
    r"invalid|disabled|inactive|unavailable|no longer)|no such (user|recipient|mailbox|person|account|address)|"
    r"unknown (user|recipient|mailbox|local)|invalid (recipient|mailbox|address)|undeliverable address|"
    r"unrouteable address|no mailbox (here )?by that name"
)
_NO_ROOM = (
    r"(mailbox|inbox|quota|storage).{0,30}(full|exceed|over)|over ?quota|out of storage|insufficient.{0,20}storage"
)
_TOO_LARGE = r"(message|mail|size).{0,20}(too (large|big)|exceeds.{0,20}(limit|size|maximum|permitted))"
_TOO_BUSY = (
    r"too (busy|many)|overload|resources|throttl|slow down|load average|"
    r"service (not|temporarily) (available|unavailable)"
)
_YAHOO = r"\[?TS0[1-4]\]?|TSS0[4-9]|temporarily deferred due to (unexpected volume|user complaints)"
_OUTLOOK = r"RP-00[1-3]|exceeded (the )?(rate limit|maximum number of (connections|messages))"
_NOT_YOU = (
    r"sender (address )?(rejected|verify failed|not (allowed|owned))|not (allowed|authori[sz]ed) to send as|SendAsDenied|"
    r"permissions? to send as|(address|identity|identities|domain) (is |are )?not verified"  # Microsoft 365, SES
)
_NO_RELAYING = (
    r"relay(ing)? (access )?(is )?(denied|prohibited|not (permitted|allowed))|unable to relay|not permitted to relay"
)
_OUR_SHARE = (  # SES, Gmail and Workspace, Mailgun, SendGrid
    r"throttling failure|daily (user |message )?(sending )?(limit|quota)|sending (limit|quota|rate).{0,20}exceeded|"
    r"(hourly|daily|monthly|credits?).{0,20}(limit|quota|credits?) (exceeded|reached)|maximum credits exceeded"
)

_TABLE = (
    # Destinations that say how they want it: before the general codes, since they reuse them.
    _Row(_FAST, "45", r"[45]\.7\.28"),  # Gmail
    _Row(_FAST, "4", r"4\.7\.[01]", r"unusual rate of|rate that prevents|too many (messages|connections)|rate limit"),
    _Row(_FAST, "4", r"4\.7\.(500|65\d|750)"),  # Microsoft 365
    _Row(_FAST, "4", words=_YAHOO),
    _Row(_FAST, "4", words=_OUTLOOK),
    _Row(_PERSON_FAST, "45", r"[45]\.2\.1", r"receiving mail (too quickly|at a rate)|too (much|many) mail"),
    _Row(_GREY, "4", words=r"gr[ea]y.?list|postgrey|please try again (later|in \d+)|try again in \d+ (sec|min)"),
    _Row(_GREY, "4", r"4\.7\.1", r"come back later|delayed|first time|unknown (host|sender).*later"),
    # Authentication and senders: about us and the relay.
    _Row(_AUTH, "45", r"[45]\.7\.(8|9|11|12|13|14)|5\.5\.1", r"authenticat|credential|log ?in"),
    _Row(_AUTH, "5", words=r"authentication (is )?required|must authenticate|STARTTLS"),
    _Row(_SHARE, "45", words=_OUR_SHARE),
    _Row(_RELAYING, "5", words=_NO_RELAYING),
    _Row(_SENDER, "45", r"[45]\.1\.[78]"),
    _Row(_SENDER, "45", words=_NOT_YOU),
    # A server in trouble, whatever it says of itself.
    _Row(_SYSTEM, "4", r"4\.3\.\d+"),
    _Row(_SYSTEM, "4", words=r"insufficient system storage"),
    # Policy, reputation, content: never about the person, whatever else the words say.
    _Row(_BLOCKED, "45", words=f"{_LISTS}|{_OUR_HOST}"),
    _Row(_BLOCKED, "5", words=r"DMARC|SPF (check|fail)|DKIM|unauthenticated (mail|email)|reverse dns|PTR record"),
    _Row(_SPAM, "45", r"[45]\.6\.\d+"),
    _Row(
        _SPAM,
        "45",
        words=r"\bspam|unsolicited|content (rejected|refused)|virus|malware|phish|message (rejected|refused) due to",
    ),
    _Row(_BLOCKED, "5", r"5\.7\.\d+"),
    # The person: codes that name the mailbox, then words where there is no code.
    _Row(_FULL, "45", r"[45]\.2\.2"),
    _Row(_FULL, "45", words=_NO_ROOM),
    _Row(_LARGE, "5", r"5\.(2\.3|3\.4)"),
    _Row(_LARGE, "5", words=_TOO_LARGE),
    _Row(_NOBODY, "5", r"5\.1\.(0|1|2|3|6|10)|5\.2\.1"),
    _Row(_NOBODY, "5", words=_NO_PERSON),
    # The rest, by code and class.
    _Row(_LOOP, "45", r"[45]\.4\.6"),
    _Row(_CONNECTION, "45", r"[45]\.4\.\d+"),
    _Row(_BUSY, "4", words=_TOO_BUSY),
    _Row(_BUSY, "4", r"4\.7\.\d+"),
    _Row(_DEFERRED, "4"),
    _Row(_REFUSED, "5"),
)
_COMPILED = tuple(
    (row.meaning, row.classes, re.compile(row.enhanced) if row.enhanced else None, re.compile(row.words, re.IGNORECASE))
    for row in _TABLE
)
_ENHANCED = re.compile(r"^\s*\d{3}[ -]+#?([245]\.\d{1,3}\.\d{1,3})\b")
_SILENT = Meaning("no answer")
ACCEPTED = Meaning("accepted")


def enhanced_code(reply: str) -> str:
    """The enhanced status code of a reply such as `550 5.1.1 no such user`, or "" where it has none (RFC 2034)."""
    found = _ENHANCED.match(reply)
    return found[1] if found else ""


def retry_seconds(meaning: Meaning, reply: str) -> int | None:
    """The wait before the next try that the answer asks for, where its meaning has one: the time it names, else the usual."""
    if meaning.retry_seconds is None:
        return None
    found = _ASKED.search(reply)
    return min(int(found[1]) * _UNIT[found[2][0].lower()], _LONGEST_ASKED) if found else meaning.retry_seconds


def meaning_of(reply: str) -> Meaning:
    """The meaning of a reply as it came (`code text`, one line). Every reply has one."""
    if reply[:1] == "2":
        return ACCEPTED
    if reply[:1] not in {"4", "5"} or not reply[:3].isdigit():
        return _SILENT
    code = enhanced_code(reply)
    for meaning, classes, enhanced, words in _COMPILED:
        if reply[0] not in classes:
            continue
        if enhanced is not None and not (code and enhanced.fullmatch(code)):
            continue
        if words.search(reply):
            return meaning
    raise AssertionError("the table ends with a row for each class")

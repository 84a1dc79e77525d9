"""Errors, named by what the caller does next. Pure.

Every message names what is wrong, where, and what to do; `remedy` carries the last part on its own so that the
command line and the web can set it apart.
"""

from __future__ import annotations


class SyndicationError(Exception):
    """Base of every error this package raises on purpose.

    `where` is a place a person can go to (a file and line, a setting, an entry); `remedy` is one imperative sentence.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} {self.remedy}" if self.remedy else head


class TryLater(SyndicationError):
    """The same call may succeed later (a busy database, a relay that defers). `after_seconds` is a hint."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "", after_seconds: float | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.after_seconds = after_seconds


class GiveUp(SyndicationError):
    """The same call will never succeed: the caller records the failure and goes on."""


class NeedsHuman(SyndicationError):
    """Somebody has to change something (a setting, a template, a document) before the call can succeed."""


class BadInput(NeedsHuman):
    """A document, form or argument is not acceptable as it is."""


class NotFound(NeedsHuman):
    """What was named does not exist; the message lists near names where that helps."""


class Conflict(NeedsHuman):
    """The state of things forbids the act (a move that states.py does not list, a slug that is taken)."""


class DisclaimerBreach(NeedsHuman):
    """Rendered bytes do not carry the notice exactly once; they do not go out (guarantee 1).

    `template` and `channel` name what made the bytes; `count` is how often the notice was found, `hidden` how often of
    these where a reader may not see it.
    """

    def __init__(self, *, channel: str, template: str, count: int, hidden: int = 0, where: str = "") -> None:
        found = f"{count} times" + (f" ({hidden} of them hidden)" if hidden else "")
        super().__init__(
            f"the disclaimer stands {found} instead of once in the {channel} rendering made by {template};",
            where=where,
            remedy=f"nothing was sent. Make {template} print the notice exactly once, in sight.",
        )
        self.channel = channel
        self.template = template
        self.count = count
        self.hidden = hidden

    def of_a_text(self, remedy: str) -> DisclaimerBreach:
        """The same breach where no template is to blame, but a text that says the notice itself."""
        other = DisclaimerBreach(
            channel=self.channel, template=self.template, count=self.count, hidden=self.hidden, where=self.where
        )
        other.remedy = f"nothing was sent: {remedy}"
        return other

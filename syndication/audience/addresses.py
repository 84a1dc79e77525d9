"""E-mail addresses: is it one, how is it written to, and when are two the same person's. Pure.

Nothing is looked up in the DNS. The folding key lower-cases the local part (nobody runs a mailbox `Anna@` beside `anna@`)
and compares domains in their ASCII form; it does not guess at a provider's habits (dots, plus signs).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

from syndication.errors import BadInput

LONGEST = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets


@dataclass(frozen=True, slots=True)
class Address:
    """`written` is what mail is addressed to, `key` what addresses are compared by, `domain` in ASCII."""

    written: str
    key: str
    domain: str


def parse(text: str) -> Address:
    """The address in `text`. Raises BadInput (where: email) in words that a visitor of the form can act on."""
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise BadInput("there is no e-mail address;", where="email", remedy="write one such as anna@example.org.")
    if len(text) > LONGEST * 2:
        raise BadInput("the e-mail address is too long;", where="email", remedy="write one such as anna@example.org.")
    try:
        # test_environment: the reserved name .test is a real domain to those who try the service out.
        found = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
        if unicodedata.normalize("NFKC", found.local_part) != found.local_part:
            # A letter of another width or shape looks like its plain twin and is another mailbox's.
            raise EmailNotValidError("it has letters of another width or shape before the @-sign.")
    except EmailNotValidError as error:
        raise BadInput(
            f"{text[:80]!r} is no e-mail address ({str(error).rstrip('.')});",
            where="email",
            remedy="write one such as anna@example.org.",
        ) from error
    domain = found.ascii_domain.lower()
    return Address(written=found.normalized, key=f"{found.local_part.lower()}@{domain}", domain=domain)


def key_of(text: str) -> str:
    """The folding key of something that was accepted before or is merely compared: never raises."""
    try:
        return parse(text).key
    except BadInput:
        return unicodedata.normalize("NFKC", text.strip()).lower()


def mailbox_of(address: Address) -> str:
    """What the variants of an address have in common where providers ignore dots and what follows a plus sign. Good for
    counting only: to others these are different people."""
    local = address.key.rpartition("@")[0].partition("+")[0].replace(".", "")
    return f"{local}@{address.domain}"

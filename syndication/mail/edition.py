"""Compile an edition: entries, notice and frame into one message with slots, gated on the bytes it will send. Pure.

Guarantees: the notice stands once in the HTML part and once in the text part, counted on the parsed message; the HTML part,
styles inlined and slots at their longest, is at most `max_html_bytes`: longer editions fall back to standfirsts with links,
then to titles, and say so; both parts carry the personal links; all of it is 7-bit clean.
"""

from __future__ import annotations

import email
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import css_inline

from syndication.content import PublishedNotice
from syndication.errors import NeedsHuman
from syndication.feeds.disclaimers import linked_text, require_once
from syndication.feeds.view import direction
from syndication.mail import headers
from syndication.mail.blocks import FULL, LENGTHS, STYLE, TITLE, Block, Render, tidy
from syndication.mail.splice import (
    HEADER,
    LONGEST_TOKEN,
    TOKEN_IN_BODY,
    TOKEN_IN_HEADER,
    Compiled,
    Slot,
    fill,
    quoted,
    seal,
)
from syndication.mail.stylesheets import as_styled
from syndication.mail.words import enumerated, spoken, words_for

DIGEST_HTML, DIGEST_TEXT = "mail/digest.html", "mail/digest.txt"
CHANNEL_HTML, CHANNEL_TEXT, CHANNEL_BROWSER = "HTML mail", "text mail", "view in browser"
PREHEADER, SUBJECT = 100, 150  # characters
CONTENTS = range(3, 31)  # a mail of so many entries begins with their titles
PERSONAL = ("unsubscribe", "preferences", "browser")
_SAMPLE = {"to": "a@example.org", "message_id": "<1.2@example.org>", "date": "Thu, 01 Jan 2026 00:00:00 +0000"}
_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, minify_css=True)


@dataclass(frozen=True, slots=True)
class Imprint:
    """What a mail says of its publisher. `mail_from` and `reply_to` are mailboxes; addresses have no trailing slash."""

    slug: str
    name: str
    url: str
    postal_address: str
    mail_from: str
    reply_to: str
    base_url: str

    @property
    def place(self) -> str:
        """The postal address without the name, where it begins with it: the name stands before it as a link."""
        rest = self.postal_address.removeprefix(self.name)
        return (rest if rest != self.postal_address and not rest[:1].isalnum() else self.postal_address).lstrip(" ,\n")


class Line(NamedTuple):
    """What a mail's frame says of an entry."""

    title: str
    url: str
    language: str


@dataclass(frozen=True, slots=True)
class EditionSource:
    """What an edition fixes. `series` are the titles it draws from, `lines` its entries in reading order; `lead` is one
    line on the first of them."""

    imprint: Imprint
    language: str
    notice: PublishedNotice
    feedback_id: str
    lines: tuple[Line, ...]
    series: tuple[str, ...]
    lead: str = ""

    @property
    def subject(self) -> str:
        """The first title, shortened where it must be, and how many more there are."""
        words, more = words_for(self.language), len(self.lines) - 1
        pattern = "{first}" if more < 1 else words.and_one if more == 1 else words.and_more
        room = SUBJECT - len(pattern.format(first="", count=more))
        first = shortened(headers.one_line(self.lines[0].title if self.lines else ""), room)
        return headers.one_line(pattern.format(first=first or self.imprint.name, count=more))

    @property
    def preheader(self) -> str:
        """What an inbox shows behind the subject: short, and visible in the mail too (nothing is hidden)."""
        rest = " · ".join(line.title for line in self.lines[1:])
        return shortened(headers.one_line(rest or self.lead), PREHEADER)

    @property
    def headline(self) -> str:
        words, more = words_for(self.language), len(self.series) - 3
        names = [*self.series[:3], words.more_series.format(count=more)] if more > 1 else list(self.series)
        pattern = words.new_one if len(self.lines) == 1 else words.new_many
        return pattern.format(count=len(self.lines), series=enumerated(names, words))


def shortened(line: str, longest: int) -> str:
    """At most `longest` characters, cut between words where there are any."""
    if len(line) <= longest:
        return line
    cut = line[: longest - 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut[longest // 2 :] else cut).rstrip(" ,;:–—") + "…"


def compile_edition(
    render: Render, source: EditionSource, blocks: Sequence[Block], *, max_html_bytes: int, subject_prefix: str = ""
) -> Compiled:
    """The edition's message. Raises DisclaimerBreach (template and channel named), NeedsHuman where it cannot be made."""
    marks = _marks(source)
    subject = subject_prefix + source.subject
    for length, left_out in _shrinking(len(blocks)):
        html, text = _parts(render, source, blocks, marks, length, left_out, subject)
        longest = len(html.encode()) + sum(html.count(m) * (LONGEST_TOKEN - len(m)) for m in marks.values())
        if longest <= max_html_bytes:
            break
    else:
        raise NeedsHuman(
            f"a digest with nothing but its frame has {longest} bytes, more than {max_html_bytes};",
            where=f"templates/{DIGEST_HTML}",
            remedy="shorten the template, the notice or the postal address, or raise SYNDICATION_MAIL_MAX_HTML_BYTES.",
        )
    for name, mark in marks.items():
        for template, part in ((DIGEST_HTML, html), (DIGEST_TEXT, text)):
            if mark not in part:
                raise NeedsHuman(
                    f"the mail has no {name} link;",
                    where=f"templates/{template}",
                    remedy=f"print {{{{ {name}_url }}}}.",
                )
    compiled = assemble(
        _digest_headers(source, subject), text, html, marks, subject=subject, shortened=length, left_out=left_out
    )
    gate(compiled, source.notice, DIGEST_HTML, DIGEST_TEXT)
    return compiled


def browser_page(render: Render, source: EditionSource, blocks: Sequence[Block]) -> str:
    """The same edition as a page without personal links, gated too."""
    html = _html(render, source, blocks, None, FULL, 0, source.subject)
    require_once(as_styled(html), source.notice.text, channel=CHANNEL_BROWSER, template=DIGEST_HTML)
    return html


def assemble(
    head: Sequence[bytes | Slot],
    text: str,
    html: str,
    marks: dict[str, str],
    *,
    subject: str,
    shortened: str = FULL,
    left_out: int = 0,
) -> Compiled:
    """multipart/alternative, text first, both quoted-printable; `marks` slot name → what stands for it in the parts."""
    in_body = {mark: Slot(name, TOKEN_IN_BODY) for name, mark in marks.items()}
    boundary = "=_" + hashlib.sha256(f"{text}\0{html}".encode()).hexdigest()[:32]  # "=_" is never quoted-printable
    runs, slots = [b""], list[Slot]()
    for piece in head:
        if isinstance(piece, Slot):
            slots.append(piece)
            runs.append(b"")
        else:
            runs[-1] += piece
    runs[-1] += f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    for subtype, part in (("plain", text), ("html", html)):
        runs[-1] += (
            f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode()
        part_runs, part_slots = quoted(part, in_body)
        runs[-1] += part_runs[0]
        runs += part_runs[1:]
        slots += part_slots
        runs[-1] += b"\r\n"
    runs[-1] += f"--{boundary}--\r\n".encode()
    fixed = (tuple(runs), tuple(slots))
    return Compiled(*fixed, seal(*fixed), subject, shortened, left_out)


def parts_of(message: bytes) -> tuple[str, str]:
    """(text, html) of a message as a mail client decodes it."""
    found: dict[str, str] = {}
    for part in email.message_from_bytes(
        message
    ).walk():  # the modern policy reads headers anew at each question, 5 ms in all
        if not part.is_multipart():
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found[part.get_content_type()] = payload.decode(part.get_content_charset("utf-8"), "replace")
    return found.get("text/plain", ""), found.get("text/html", "")


def gate(compiled: Compiled, notice: PublishedNotice, html_template: str, text_template: str) -> None:
    """Counts on the parsed message, with two different fillings: no slot's value may make or unmake the notice."""
    counted = ""
    for letter in ("x", "-"):
        sample = fill(compiled, _SAMPLE | dict.fromkeys(PERSONAL, letter * LONGEST_TOKEN))
        text, html = parts_of(sample)
        require_once(text, notice.text, channel=CHANNEL_TEXT, template=text_template, form="text")
        # Without a comment a dash is a letter like any other: what differs by it alone has been counted.
        alike = html.replace("-" * LONGEST_TOKEN, "x" * LONGEST_TOKEN)
        if alike != counted or "<!--" in html:
            require_once(as_styled(html), notice.text, channel=CHANNEL_HTML, template=html_template)
        counted = html


def _shrinking(count: int) -> list[tuple[str, int]]:
    """(length, entries left out), from everything to a bare count."""
    steps = [(length, 0) for length in LENGTHS]
    shown = count
    while shown > 0:
        shown = shown * 3 // 4 if shown > 1 else 0
        steps.append((TITLE, count - shown))
    return steps


def _marks(source: EditionSource) -> dict[str, str]:
    """Slot name → a mark that no text can contain, since it hashes the text's identity."""
    seed = hashlib.sha256(repr(source).encode()).hexdigest()[:24]
    return {name: f"zz{seed}{name[0]}zz" for name in PERSONAL}


def _parts(
    render: Render,
    source: EditionSource,
    blocks: Sequence[Block],
    marks: dict[str, str],
    length: str,
    left_out: int,
    subject: str,
) -> tuple[str, str]:
    context = _context(source, marks, length, left_out, subject)
    shown = [block.text[length] for block in blocks[: len(blocks) - left_out]]
    text = tidy(render(DIGEST_TEXT, blocks=shown, notice_text=linked_text(source.notice.html), **context)) + "\n"
    return _html(render, source, blocks, marks, length, left_out, subject), text


def _html(
    render: Render,
    source: EditionSource,
    blocks: Sequence[Block],
    marks: dict[str, str] | None,
    length: str,
    left_out: int,
    subject: str,
) -> str:
    here = "zz" + hashlib.sha256(repr(source).encode()).hexdigest()[24:48] + "zz"
    frame = render(DIGEST_HTML, blocks=here, style=render(STYLE), **_context(source, marks, length, left_out, subject))
    shown = blocks[: len(blocks) - left_out]
    return _INLINER.inline(frame).replace(here, "\n".join(block.html[length] for block in shown), 1)


def _context(
    source: EditionSource, marks: dict[str, str] | None, length: str, left_out: int, subject: str
) -> dict[str, object]:
    imprint = source.imprint
    language = spoken(source.language)
    return {
        "imprint": imprint,
        "language": language,
        "dir": direction(language),
        "subject": subject,
        "preheader": source.preheader,
        "headline": source.headline,
        "lines": source.lines,
        "contents": length != TITLE and len(source.lines) in CONTENTS,
        "notice": source.notice,
        "notice_dir": direction(source.notice.language),
        "words": words_for(source.language),
        "length": length,
        "left_out": left_out,
        "personal": marks is not None,
        "unsubscribe_url": f"{imprint.base_url}/unsubscribe/{(marks or {}).get('unsubscribe', '')}",
        "preferences_url": f"{imprint.base_url}/preferences/{(marks or {}).get('preferences', '')}",
        "browser_url": f"{imprint.base_url}/issues/{(marks or {}).get('browser', '')}",
    }


def _digest_headers(source: EditionSource, subject: str) -> list[bytes | Slot]:
    imprint = source.imprint
    address = headers.ascii_domain(headers.parsed_mailbox(imprint.mail_from)[1])
    domain = address.rpartition("@")[2]
    head = common_headers(imprint, subject)
    listed = headers.mailbox(imprint.name, f"x@{imprint.slug}.{domain}", "List-Id").replace("<x@", "<")
    return [
        *head,
        f"List-Id: {listed}\r\n".encode("ascii"),
        f"List-Unsubscribe: <{imprint.base_url}/unsubscribe/".encode("ascii"),
        Slot("unsubscribe", TOKEN_IN_HEADER),
        b">\r\n",
        headers.raw_field("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        headers.raw_field("Feedback-ID", source.feedback_id),
        # RFC 3834 §5: no machine is to answer this; older ones know it by Precedence only.
        headers.raw_field("Auto-Submitted", "auto-generated"),
        headers.raw_field("Precedence", "bulk"),
        headers.raw_field("Content-Language", spoken(source.language)),
    ]


def common_headers(imprint: Imprint, subject: str) -> list[bytes | Slot]:
    """From, To, Reply-To, Subject, Date, Message-ID: what digests and letters share."""
    name, address = headers.parsed_mailbox(imprint.mail_from, imprint.name)
    head: list[bytes | Slot] = [
        f"From: {headers.mailbox(name, address, 'From')}\r\nTo: ".encode("ascii"),
        Slot("to", HEADER),
        b"\r\n",
    ]
    if imprint.reply_to:
        reply = headers.parsed_mailbox(imprint.reply_to, imprint.name)
        head.append(f"Reply-To: {headers.mailbox(*reply, 'Reply-To')}\r\n".encode("ascii"))
    return [
        *head,
        headers.text_field("Subject", subject),
        b"Date: ",
        Slot("date", HEADER),
        b"\r\nMessage-ID: ",
        Slot("message_id", HEADER),
        b"\r\n",
    ]

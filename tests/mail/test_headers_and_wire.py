"""What goes over the wire, read by two parsers that share no code: headers as bulk mail must have them, 7-bit, short lines."""

from __future__ import annotations

import email
import re
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime

import fast_mail_parser
import pytest
from hard_mail import FILLED, HardMail
from mail_world import parsed
from sqlalchemy import update
from sqlalchemy.orm import Session

from syndication.content import PublishedNotice
from syndication.feeds.disclaimers import count_html, count_text
from syndication.ledger import notices
from syndication.ledger.content import Publication
from syndication.mail import headers
from syndication.mail.blocks import compile_block
from syndication.mail.edition import (
    PREHEADER,
    SUBJECT,
    EditionSource,
    Imprint,
    Line,
    compile_edition,
    parts_of,
    shortened,
)
from syndication.mail.loading import frame_of
from syndication.mail.splice import LONGEST_TOKEN, fill
from syndication.mail.words import WORDS

NAME = "Haus am Kai – بيت المرفأ"


def test_two_parsers_read_the_same_mail(hard: HardMail) -> None:
    for data in (hard.message(), hard.message("arabic", language="ar"), hard.letter("de")):
        ours, theirs = parsed(data), fast_mail_parser.parse_email(data)
        text, html = parts_of(data)
        assert theirs.warnings == []
        assert (theirs.text_plain, theirs.text_html) == ([text], [html])
        assert theirs.subject == ours["Subject"]
        assert {name: values[0] for name, values in theirs.headers.items() if name != "Content-Type"} == {
            name: str(make_header(decode_header(value.replace("\r\n", ""))))
            for name, value in email.message_from_bytes(data).items()
            if name != "Content-Type"
        }
        assert all(len(values) == 1 for values in theirs.headers.values()), "no field twice"


def test_a_digest_has_every_header_that_bulk_mail_must_have(hard: HardMail) -> None:
    message = parsed(hard.message())
    assert message["From"] == "Haus am Kai <series@quay.example>"
    assert message["Reply-To"] == f"{NAME} <editors@quay.example>"
    assert message["List-Id"] == f"{NAME} <quay.quay.example>"
    assert message["List-Unsubscribe"] == f"<https://news.quay.example/unsubscribe/{'U' * 22}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Feedback-ID"] == "i1:daily:digest:quay"
    assert (message["Auto-Submitted"], message["Precedence"]) == ("auto-generated", "bulk")
    assert message["MIME-Version"] == "1.0"
    assert message["Content-Language"] == "en"
    assert parsedate_to_datetime(message["Date"]).year == 2026
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip


def test_a_letter_is_no_list_and_asks_for_no_answer(hard: HardMail) -> None:
    message = parsed(hard.letter("de"))
    assert message["Auto-Submitted"] == "auto-generated"
    assert not [name for name in message if name.startswith(("List-", "Precedence"))]
    assert message["Subject"] == f"{NAME}: bitte bestätigen"
    assert message["Content-Language"] == "de"


@pytest.mark.parametrize("language", list(WORDS))
def test_the_bytes_are_seven_bit_with_crlf_and_short_lines(hard: HardMail, language: str) -> None:
    for data in (hard.message(language=language), hard.letter(language)):
        head, _, body = data.partition(b"\r\n\r\n")
        assert data.isascii()
        assert b"\0" not in data
        assert b"\n" not in data.replace(b"\r\n", b"")
        assert b"\r" not in data.replace(b"\r\n", b"")
        assert max(map(len, body.split(b"\r\n"))) <= 78
        assert max(map(len, head.split(b"\r\n"))) <= 998
        assert all(
            len(line) <= 78 for line in head.split(b"\r\n") if not line.startswith((b"List-Unsub", b"Content-Type"))
        )


def test_the_longest_slots_break_nothing_and_stay_in_the_budget(hard: HardMail) -> None:
    longest = FILLED | dict.fromkeys(("unsubscribe", "preferences", "browser"), "~" * LONGEST_TOKEN)
    for slugs, budget in ((hard.slugs, 95_000), (hard.slugs * 3, 60_000), (hard.slugs * 40, 95_000)):
        data = fill(hard.compiled(*slugs, budget=budget), longest)
        text, html = parts_of(data)
        assert len(html.encode()) <= budget
        assert (b"/unsubscribe/" + b"~" * LONGEST_TOKEN + b">\r\n") in data
        assert f"/preferences/{'~' * LONGEST_TOKEN}" in text
        assert f"/preferences/{'~' * LONGEST_TOKEN}" in html


def test_the_budget_reckons_with_the_longest_slots(hard: HardMail) -> None:
    longest = FILLED | dict.fromkeys(("unsubscribe", "preferences", "browser"), "~" * LONGEST_TOKEN)
    _, html = parts_of(fill(hard.compiled(), longest))
    size = len(html.replace("\r\n", "\n").encode())
    assert hard.compiled(budget=size).shortened == "full"
    assert hard.compiled(budget=size - 1).shortened == "standfirst"


@pytest.mark.parametrize("language", ["en", "de", "ar", "fr"])
def test_the_notice_once_in_each_part_in_the_language_there_is(hard: HardMail, language: str) -> None:
    with hard.wiring.db.reading() as session:
        notice = notices.current(session, 1, language)
    assert notice.language == ("en" if language == "fr" else language)
    for data in (hard.message(language=language), hard.letter(language)):
        text, html = parts_of(data)
        assert (count_text(text, notice.text), count_html(html, notice.text)) == (1, 1)


@pytest.mark.parametrize(
    "name", [NAME, 'A "quoted", name', "x" * 120, "名" * 60, "a\r\nBcc: evil@example.org", "=?utf-8?q?x?="]
)
def test_names_of_every_kind_stand_in_from_list_id_and_reply_to(hard: HardMail, name: str) -> None:
    from_name = re.sub(r'[",:@.=?\r\n]', "", name)  # what a publisher may write there without quotes
    with hard.wiring.db.transaction() as session:
        session.execute(update(Publication).values(name=name, mail_from=f"{from_name} <series@bücher.example>"))
        data = _message_of(hard, session)
        session.rollback()
    message = email.message_from_bytes(data)
    assert message["Bcc"] is None
    for field in ("From", "Reply-To"):
        shown, address = parseaddr(message[field].replace("\r\n", ""))
        wanted = from_name if field == "From" else " ".join(name.split())
        assert str(make_header(decode_header(shown))) == wanted, field
        assert address == ("series@xn--bcher-kva.example" if field == "From" else "editors@quay.example")
    assert re.search(r"<quay\.xn--bcher-kva\.example>$", message["List-Id"])
    assert data.isascii()


def _message_of(hard: HardMail, session: Session) -> bytes:
    publication = session.get_one(Publication, 1, populate_existing=True)
    (entry,) = hard.texts("no-standfirst")
    made = frame_of(session, publication, [entry], hard.wiring.base_url, "en", 1, "i1:daily")
    render = hard.wiring.renderer.render
    return fill(compile_edition(render, made, [compile_block(render, entry)], max_html_bytes=95_000), FILLED)


@pytest.mark.parametrize(
    ("domain", "ascii"),
    [
        ("faß.example", "xn--fa-hia.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("пример.example", "xn--e1afmkfd.example"),
    ],
)
def test_a_domain_is_written_as_the_one_that_was_meant(domain: str, ascii: str) -> None:
    assert headers.ascii_domain(f"a@{domain}") == f"a@{ascii}"


def source(*titles: str, language: str = "en", lead: str = "", series: tuple[str, ...] = ("Ferries",)) -> EditionSource:
    imprint = Imprint("q", "Quay", "https://q.example", "Quay, Porto", "a@q.example", "", "https://n.example")
    notice = PublishedNotice(id=1, language="en", version=1, text="t", html="<p>t</p>")
    return EditionSource(imprint, language, notice, "f", tuple(Line(t, "u", "en") for t in titles), series, lead)


@pytest.mark.parametrize(
    ("language", "subjects"),
    [
        ("en", ("A", "A, and one more", "A, and 2 more")), ("de", ("A", "A und ein weiterer Beitrag", "A und 2 weitere")),
        ("fr-CA", ("A", "A, et un autre", "A, et 2 de plus")), ("es", ("A", "A, y otro más", "A, y 2 más")),
        ("ja", ("A", "A, and one more", "A, and 2 more")),
    ],
)  # fmt: skip
def test_subjects_say_what_is_in_it_and_how_much(language: str, subjects: tuple[str, ...]) -> None:
    for count, subject in enumerate(subjects, 1):
        assert source(*"ABC"[:count], language=language).subject == subject


def test_subjects_and_preheaders_are_as_long_as_they_may_be_and_no_longer() -> None:
    long = "A title of words and words " * 20
    assert len(source(long).subject) <= SUBJECT
    assert source(long).subject.endswith("A title of…")
    assert source(long, "B").subject.endswith("…, and one more")
    assert len(source("題" * 400, "B").subject) == SUBJECT
    assert source("A", lead="One line.").preheader == "One line."
    assert source("A", "B", "C", lead="One line.").preheader == "B · C"
    assert len(source("A", long).preheader) <= PREHEADER
    assert source("A\r\nBcc: x").subject == "A Bcc: x"
    assert source("").subject == "Quay"
    assert shortened("a" * 10, 5) == "aaaa…"


def test_the_headline_counts_series_and_names_three() -> None:
    assert source("A", series=("X",)).headline == "New in X"
    assert source("A", "B", series=("X", "Y")).headline == "2 new entries in X and Y"
    assert source("A", "B", series=("X", "Y", "Z", "W")).headline == "2 new entries in X, Y, Z and W"
    assert source("A", "B", series=("X", "Y", "Z", "V", "W")).headline == "2 new entries in X, Y, Z and 2 more series"


def test_the_postal_address_says_the_name_once() -> None:
    imprint = source("A").imprint
    assert imprint.place == "Porto"
    for address, place in (("Quayside 4", "Quayside 4"), ("4 Quay, Porto", "4 Quay, Porto"), ("", ""), ("Quay", "")):
        assert Imprint("q", "Quay", "u", address, "a@q.example", "", "b").place == place

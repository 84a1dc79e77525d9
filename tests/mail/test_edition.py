"""The compiled edition: what a client reads, the notice once in each part, the budget, and slots nothing gets through."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from mail_world import parsed

from syndication.content import PublishedNotice, Related
from syndication.errors import BadInput, DisclaimerBreach, GiveUp, NeedsHuman
from syndication.feeds.disclaimers import STANDARD, count_html, count_text, render_notice
from syndication.mail import headers
from syndication.mail.blocks import EntryText, compile_block
from syndication.mail.edition import EditionSource, Imprint, Line, browser_page, compile_edition, parts_of
from syndication.mail.splice import LONGEST_TOKEN, Compiled, fill
from syndication.rendering import Renderer

RENDER = Renderer().render
TEXT, HTML = render_notice(STANDARD["en"], name="Tideway Institute", supporters_url="https://t.example/s?a=1&b=2")
NOTICE = PublishedNotice(id=1, language="en", version=1, text=TEXT, html=HTML)
IMPRINT = Imprint(
    "tideway", "Tideway Institute", "https://tideway.example", "1 Quay, Porto", "Tideway <a@tideway.example>",
    "desk@tideway.example", "https://news.tideway.example",
)  # fmt: skip
VALUES = {
    "to": "p@example.org", "message_id": "<1.a@tideway.example>", "date": "Thu, 01 Jan 2026 00:00:00 +0000",
    "unsubscribe": "U" * 22, "preferences": "P" * 22, "browser": "B" * 150,
}  # fmt: skip


def entry(number: int = 1, **changes: object) -> EntryText:
    fields: dict[str, object] = {
        "revision_id": number, "title": f"Part {number}: 渡し船 — “ferries”", "url": f"https://n.example/{number}/",
        "standfirst": "They float.", "summary": "They float.", "body_html": "<p>Water &amp; wind = weather.</p>",
        "language": "en", "authors": ("Ana", "Bé"), "series_title": "Ferries", "series_url": "https://n.example/f/",
        "series_language": "en",
        "part": number, "related": (Related(title="More", url="https://m.example"),), "notes": ("The author advises X.",),
    }  # fmt: skip
    return EntryText(**(fields | changes))  # type: ignore[arg-type]


def compiled(
    *entries: EntryText, budget: int = 95_000, render: object = RENDER, notice: PublishedNotice = NOTICE
) -> Compiled:
    lines = tuple(Line(e.title, e.url, e.language) for e in entries)
    source = EditionSource(IMPRINT, "en", notice, "i1:daily:digest:tideway", lines, ("Ferries",))
    blocks = [compile_block(RENDER, e) for e in entries]
    return compile_edition(render, source, blocks, max_html_bytes=budget)  # type: ignore[arg-type]


def test_a_client_reads_headers_both_parts_and_the_notice_once_in_each() -> None:
    data = fill(compiled(entry(1), entry(2)), VALUES)
    message = parsed(data)
    assert message["Subject"] == "Part 1: 渡し船 — “ferries”, and one more"
    assert message["From"] == "Tideway <a@tideway.example>"
    assert message["Reply-To"].endswith("<desk@tideway.example>")
    assert message["List-Id"].endswith("<tideway.tideway.example>")
    assert message["Feedback-ID"] == "i1:daily:digest:tideway"
    text, html = parts_of(data)
    assert (count_text(text, TEXT), count_html(html, TEXT)) == (1, 1)
    for part in (text, html):
        for wanted in (
            "Water",
            "1 Quay, Porto",
            "/unsubscribe/" + "U" * 22,
            "/preferences/" + "P" * 22,
            "/issues/" + "B" * 150,
        ):
            assert wanted in part
    assert "= weather" in text
    assert "<link" not in html


def test_it_is_seven_bit_with_short_lines_and_one_click_stands_raw_on_one_line() -> None:
    data = fill(compiled(entry(1, body_html="<p>" + "å" * 5_000 + "</p>")), VALUES)
    assert data.isascii()
    head, _, body = data.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 78
    assert b"\nList-Unsubscribe: <https://news.tideway.example/unsubscribe/" + b"U" * 22 + b">\r\n" in head
    assert b"\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in head
    assert b"\n" not in data.replace(b"\r\n", b"")


def test_the_longest_one_click_address_is_never_encoded() -> None:
    data = fill(compiled(entry()), VALUES | {"unsubscribe": "u" * LONGEST_TOKEN})
    assert b"/unsubscribe/" + b"u" * LONGEST_TOKEN + b">\r\n" in data


def test_long_digests_fall_back_to_standfirsts_then_titles_within_the_budget() -> None:
    long = [entry(n, body_html="<p>word </p>" * 3_000) for n in range(1, 6)]
    for entries, expected in ((long, "standfirst"), ([entry(n, summary="s " * 900) for n in range(1, 60)], "title")):
        made = compiled(*entries)
        text, html = parts_of(fill(made, VALUES | {"browser": "B" * LONGEST_TOKEN}))
        assert made.shortened == expected
        assert len(html.encode()) <= 95_000
        assert "too long for one mail" in html
        assert "too long for one mail" in text
        assert count_html(html, TEXT) == 1


def test_more_entries_than_fit_are_counted_not_dropped_in_silence() -> None:
    made = compiled(*(entry(n) for n in range(1, 400)))
    _, html = parts_of(fill(made, VALUES))
    assert made.entries_left_out > 0
    assert f"And {made.entries_left_out} more" in html


def test_a_frame_beyond_the_budget_names_template_and_setting() -> None:
    with pytest.raises(NeedsHuman, match="MAIL_MAX_HTML_BYTES"):
        compiled(entry(), budget=1_000)


@pytest.mark.parametrize(
    ("template", "change", "count", "channel"),
    [
        ("mail/digest.html", lambda text: text.replace(HTML, ""), 0, "HTML mail"),
        ("mail/digest.html", lambda text: text.replace(HTML, HTML + HTML), 2, "HTML mail"),
        ("mail/digest.txt", lambda text: text.replace("The positions of", "A position of"), 0, "text mail"),
        ("mail/digest.txt", lambda text: text + "\n" + TEXT, 2, "text mail"),
    ],
)
def test_a_template_that_forgot_or_doubled_the_notice_stops_the_edition(template, change, count, channel) -> None:  # type: ignore[no-untyped-def]
    def render(name: str, **context: object) -> str:
        made = RENDER(name, **context)
        return change(made) if name == template else made  # type: ignore[no-any-return]

    with pytest.raises(DisclaimerBreach) as breach:
        compiled(entry(), render=render)
    assert (breach.value.count, breach.value.channel, breach.value.template) == (count, channel, template)


@pytest.mark.parametrize(
    "rule",
    [
        "@media all { .notice { display: none !important } }",
        "@media (max-width: 600px) { td, div.end p { font-size: 0 } } x {",
        "body > * { visibility : hidden }",
        "/* { */ [class~=notice] p { color: red; max-height: 0; overflow: hidden }",
    ],
)
def test_a_style_sheet_that_hides_the_notice_stops_the_edition(rule: str) -> None:
    def render(name: str, **context: object) -> str:
        made = RENDER(name, **context)
        if name != "mail/digest.html":
            return made
        notice = str(context["notice"].html)  # type: ignore[attr-defined]
        marked = made.replace(notice, f'<div class="end"><div class="notice">{notice}</div></div>')
        return marked.replace("</head>", f"<style>{rule}</style></head>")

    with pytest.raises(DisclaimerBreach, match="1 of them hidden") as breach:
        compiled(entry(), render=render)
    assert breach.value.channel == "HTML mail"


def test_a_style_sheet_may_hide_what_is_not_the_notice() -> None:
    def render(name: str, **context: object) -> str:
        return RENDER(name, **context).replace(
            "</head>", "<style>@media print { .notice-board, img.wide { display: none } }</style></head>"
        )

    assert compiled(entry(), render=render).subject


def test_a_slot_in_a_comment_cannot_hide_the_notice_from_some() -> None:
    """Filled with letters the comment goes on to the end of the notice; filled with dashes it ends at once."""

    def render(name: str, **context: object) -> str:
        made = RENDER(name, **context)
        if name != "mail/digest.html":
            return made
        notice = str(context["notice"].html)  # type: ignore[attr-defined]
        again = f"<!-- {context['unsubscribe_url']}><p>{notice}</p><!-- -->"
        return made.replace("</body>", f"{again}</body>")

    with pytest.raises(DisclaimerBreach) as breach:
        compiled(entry(), render=render)
    assert breach.value.count == 2


def test_a_template_without_an_unsubscribe_link_is_refused() -> None:
    def render(name: str, **context: object) -> str:
        return RENDER(name, **context).replace(str(context.get("unsubscribe_url", "\0")), "#")

    with pytest.raises(NeedsHuman, match="unsubscribe"):
        compiled(entry(), render=render)


def test_changed_runs_do_not_go_out() -> None:
    made = compiled(entry())
    runs = (made.runs[0], *(run.replace(b"independent", b"dependent") for run in made.runs[1:]))
    with pytest.raises(GiveUp):
        fill(Compiled(runs, made.slots, made.digest, made.subject), VALUES)


@pytest.mark.parametrize("name", list(VALUES))
@pytest.mark.parametrize("bad", ["", "a\r\nBcc: x@example.org", "a\nb", "a\r\n\r\n<p>", "\r\n x", "a\0b", "é"])
def test_no_value_gets_out_of_its_slot(name: str, bad: str) -> None:
    with pytest.raises(BadInput):
        fill(compiled(entry()), VALUES | {name: bad})


@pytest.mark.parametrize("bad", ['"><b>', "a b", "=3D", "<", "a" * (LONGEST_TOKEN + 1)])
def test_body_slots_take_tokens_only(bad: str) -> None:
    with pytest.raises(BadInput):
        fill(compiled(entry()), VALUES | {"browser": bad})


@pytest.mark.parametrize(
    "name", ["Zoë 李", 'O"Brien, "Al"', "a\r\nBcc: evil@example.org", "Ω" * 90, "x" * 300, "", "a,b;c"]
)
def test_names_of_every_kind_reach_the_to_field_whole_and_alone(name: str) -> None:
    data = fill(compiled(entry()), VALUES | {"to": headers.mailbox(name, "p@bücher.example")})
    message = email.message_from_bytes(data)
    assert message["Bcc"] is None
    shown, address = parseaddr(message["To"].replace("\r\n", ""))
    assert address == "p@xn--bcher-kva.example"
    assert str(make_header(decode_header(shown))) == " ".join(name.split())


def test_a_subject_cannot_carry_a_header() -> None:
    message = parsed(fill(compiled(entry(1, title="Hello\r\nBcc: evil@example.org\r\n\r\nbody")), VALUES))
    assert message["Bcc"] is None
    assert message["Subject"] == "Hello Bcc: evil@example.org body"


def test_message_ids_are_stable_and_differ() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    first = headers.message_id("t.example", 1, at, "t.example")
    assert first == headers.message_id("t.example", 1, at, "t.example")
    assert first != headers.message_id("t.example", 2, at, "t.example")


def test_view_in_browser_has_the_notice_once_and_nothing_personal() -> None:
    source = EditionSource(IMPRINT, "en", NOTICE, "f", (Line("T", "u", "en"),), ("Ferries",))
    page = browser_page(RENDER, source, [compile_block(RENDER, entry())])
    assert count_html(page, TEXT) == 1
    assert "/unsubscribe/" not in page
    assert "noindex" in page

"""The law of the splice: whatever the recipient and the entries, the spliced bytes parse to the message that Python's `email`
builds from scratch, every line at most 998 octets, 7-bit clean but for an address in another script."""

from __future__ import annotations

import string
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mail_world import parsed
from test_edition import IMPRINT, NOTICE, RENDER, entry

from syndication.audience import addresses
from syndication.errors import BadInput
from syndication.mail import headers
from syndication.mail.blocks import compile_block
from syndication.mail.edition import PERSONAL, EditionSource, Line, compile_edition, parts_of
from syndication.mail.splice import Form

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
TOKENS = st.text(string.ascii_letters + string.digits + "_-.~", min_size=1, max_size=200)
LOCAL = st.one_of(
    st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9!#$%&'*+-]{1,20})?", fullmatch=True),
    st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=12),
)
PATHS = (("unsubscribe", "unsubscribe"), ("preferences", "preferences"), ("browser", "issues"))
DOMAIN = st.sampled_from(["example.org", "a-b.example.co.uk", "bücher.example", "例え.jp", "xn--bcher-kva.example"])
ENTRIES = st.lists(
    st.builds(
        lambda number, title, body: entry(number, title=title or "T", body_html=f"<p>{_escaped(body)}</p>"),
        st.integers(1, 9), WORDS, st.text(st.sampled_from(" .=\tabé李~\n"), max_size=300),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


@st.composite
def recipients(draw: st.DrawFn) -> str:
    """An address that the form lets through."""
    while True:
        try:
            return addresses.parse(f"{draw(LOCAL)}@{draw(DOMAIN)}").written
        except BadInput:
            continue


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=WORDS, address=recipients(), tokens=st.tuples(TOKENS, TOKENS, TOKENS), entries=ENTRIES)
def test_a_spliced_mail_is_the_mail_that_email_builds(name, address, tokens, entries) -> None:  # type: ignore[no-untyped-def]
    lines = tuple(Line(e.title, e.url, e.language) for e in entries)
    source = EditionSource(IMPRINT, "en", NOTICE, "i1:daily:digest:t", lines, ("Ferries",))
    compiled = compile_edition(RENDER, source, [compile_block(RENDER, e) for e in entries], max_html_bytes=95_000)
    to = headers.ascii_domain(address)
    personal = dict(zip(PERSONAL, tokens, strict=True))
    values = personal | {
        "to": headers.mailbox(name, to), "message_id": "<1.a@tideway.example>", "date": "Thu, 01 Jan 2026 00:00:00 +0000",
    }  # fmt: skip
    data = Form(compiled).message(values, utf8_headers=not to.isascii())
    assert data.isascii() == to.isascii()
    _, _, body = data.partition(b"\r\n\r\n")
    assert body.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert not any(line.startswith(b".") for line in data.split(b"\r\n"))
    # The same mail by `email`: the parts as texts with the values put into them, the headers as fields.
    message = parsed(data)
    text, html = parts_of(data)
    for slot, path in PATHS:  # whole and alone, not by comparison with another splice
        link = f"{IMPRINT.base_url}/{path}/{personal[slot]}"
        assert link in text.split(), slot
        assert f'href="{link}"' in html, slot
    marked = Form(compiled).message(values | dict.fromkeys(PERSONAL, "MARK"), utf8_headers=not to.isascii())
    expected = EmailMessage(SMTP.clone(max_line_length=998, utf8=not to.isascii()))
    for field in ("From", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "Feedback-ID", "Content-Language"):
        expected[field] = str(message[field])
    expected["List-Unsubscribe"] = f"<{IMPRINT.base_url}/unsubscribe/{tokens[0]}>"
    plain, rich = parts_of(marked)
    expected.set_content(_with(plain, personal), cte="base64")
    expected.add_alternative(_with(rich, personal), subtype="html", cte="base64")
    built = parsed(expected.as_bytes())
    # `email` ends each part with a line end
    assert [part.rstrip("\r\n") for part in (text, html)] == [
        part.rstrip("\r\n") for part in parts_of(expected.as_bytes())
    ]
    for field in ("From", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "Feedback-ID"):
        assert str(message[field]) == str(built[field]), field
    # Python's structured parser leaves a space between two encoded words of one name (also in what it wrote itself);
    # RFC 2047 §6.2 has them joined, as its older decoder does.
    shown, found = parseaddr(_field(data, b"To"))
    assert found == to
    assert str(make_header(decode_header(shown))) == " ".join(headers.one_line(name).split())
    assert len(message["To"].addresses) == 1


def _with(part: str, personal: dict[str, str]) -> str:
    for name, path in PATHS:
        part = part.replace(f"/{path}/MARK", f"/{path}/{personal[name]}")
    return part


def _field(data: bytes, name: bytes) -> str:
    """A field's value, unfolded."""
    head = data.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ")
    (line,) = [line for line in head.split(b"\r\n") if line.startswith(name + b": ")]
    return line.partition(b": ")[2].decode()

"""The notice: one source for its forms, and a count that typography, markup and hiding places cannot fool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.errors import BadInput, DisclaimerBreach
from syndication.feeds import disclaimers
from syndication.feeds.disclaimers import STANDARD, count_html, count_text, linked_text, render_notice, require_once

TEXT, HTML = render_notice(STANDARD["en"], name="Tide & Co", supporters_url="https://t.example/s?a=1&b=2")


def test_the_standard_wording_names_the_publisher_and_links_words_that_make_sense_aloud() -> None:
    assert TEXT == (
        "The positions of Tide & Co, and our policy experts, are independent, and the findings and conclusions presented "
        "are those of Tide & Co alone. A full list of supporters is available here. Tide & Co would like to acknowledge "
        "the many generous supporters who make our work possible."
    )
    assert '<a href="https://t.example/s?a=1&amp;b=2">A full list of supporters</a>' in HTML
    assert "Tide &amp; Co" in HTML
    assert "A full list of supporters <https://t.example/s?a=1&b=2> is available here." in linked_text(HTML)


@pytest.mark.parametrize("language", STANDARD)
def test_every_language_counts_once_in_each_of_its_forms(language: str) -> None:
    text, html = render_notice(STANDARD[language], name="Tide", supporters_url="https://t.example/s", language=language)
    assert count_text(text, text) == count_html(html, text) == count_text(linked_text(html), text) == 1
    bare, _ = render_notice(STANDARD[language], name="Tide", language=language)
    assert "http" not in bare
    assert "  " not in bare


@pytest.mark.parametrize(
    "variant",
    [
        HTML.replace(" are independent", "\n   are&nbsp;independent"),
        f"<div><section>{HTML}</section></div>",
        HTML.replace("independent", "in<b>depend</b>ent"),
        HTML.replace("independent", "inde\u00adpendent"),
        HTML.replace("independent", "inde\u200bpen\u200dd\u2060e\ufe0fnt"),
        HTML.replace("independent", "inde&shy;pen&#8203;dent"),
        HTML.replace("positions", "&#112;&#x6f;sitions"),
        HTML.replace("positions", "<span>po</span><!-- x --><span>sitions</span>"),
        HTML.replace(" are independent", "<br>are independent"),
        HTML.replace("The positions", "THE POSITIONS"),
        HTML.replace("positions", "\uff50ositions"),  # full width
        "<div>" * 1_000 + HTML + "</div>" * 1_000,
    ],
)
def test_decoration_does_not_hide_the_notice(variant: str) -> None:
    assert count_html(variant, TEXT) == 1
    require_once(variant, TEXT, channel="c", template="t")
    with pytest.raises(DisclaimerBreach, match="2 times"):
        require_once(variant + HTML, TEXT, channel="c", template="t")


@pytest.mark.parametrize(
    "variant",
    [
        TEXT.replace(" ", "\n"),
        TEXT.upper(),
        TEXT.replace("independent", "inde\u00adpendent"),
        TEXT.replace("available", "<https://t.example/s> available"),
    ],
)
def test_nor_in_a_text(variant: str) -> None:
    assert count_text(variant, TEXT) == 1
    with pytest.raises(DisclaimerBreach, match="2 times"):
        require_once(variant + "\n\n" + TEXT, TEXT, channel="c", template="t", form="text")


def test_hyphens_and_quotes_of_every_kind_are_the_same() -> None:
    text, html = render_notice("“Tide” is ours – not the ministry’s; it is self-made and independent.", name="x")
    for variant in ('"Tide" is ours - not the ministry\'s; it is self\u2011made and independent.', html):
        assert count_text(variant, text) == 1


@pytest.mark.parametrize(
    "hidden",
    [f"<!-- {TEXT} -->", f"<script>{TEXT}</script>", f'<p title="{TEXT}">x</p>', f"<style>{TEXT}</style>", "", " "],
)
def test_what_no_reader_sees_does_not_count(hidden: str) -> None:
    assert count_html(hidden, TEXT) == 0
    require_once(hidden + HTML, TEXT, channel="c", template="t")


@pytest.mark.parametrize(
    "hidden",
    [
        f"<div hidden>{HTML}</div>",
        f'<div aria-hidden="true">{HTML}</div>',
        f'<div style="color: red; DISPLAY : none">{HTML}</div>',
        f'<div style="visibility:hidden"><p>{HTML}</p></div>',
        f'<div style="font-size:0px">{HTML}</div>',
        f'<div style="font-size:0">{HTML}</div>',
        f'<div style="max-height:0;overflow:hidden">{HTML}</div>',
        f'<div style="position:absolute;left:-9999px">{HTML}</div>',
        f'<div style="opacity:0">{HTML}</div>',
        f"<noscript>{HTML}</noscript>",
        f"<details><summary>More</summary>{HTML}</details>",
        f"<textarea>{TEXT}</textarea>",
    ],
)
def test_a_notice_that_something_hides_is_neither_the_one_nor_none(hidden: str) -> None:
    with pytest.raises(DisclaimerBreach, match=r"1 times \(1 of them hidden\)"):
        require_once(hidden, TEXT, channel="c", template="t")
    with pytest.raises(DisclaimerBreach, match=r"2 times \(1 of them hidden\)"):
        require_once(hidden + HTML, TEXT, channel="c", template="t")


@pytest.mark.parametrize(
    "style", ["font-size:0.9rem", "opacity:0.9", "max-height:100px", "margin-left:-200px", "width:05em"]
)
def test_ordinary_styles_hide_nothing(style: str) -> None:
    require_once(f'<div style="{style}">{HTML}</div>', TEXT, channel="c", template="t")


def test_what_is_nested_beyond_all_measure_is_stopped() -> None:
    with pytest.raises(DisclaimerBreach):
        require_once("<div>" * 5_000 + HTML + "</div>" * 5_000 + HTML, TEXT, channel="c", template="t")


def test_the_gate_names_template_and_channel() -> None:
    with pytest.raises(DisclaimerBreach, match=r"2 times.*web page.*page\.html"):
        require_once(HTML + HTML, TEXT, channel="web page", template="page.html")
    with pytest.raises(DisclaimerBreach, match="0 times"):
        require_once("<p>nothing</p>", TEXT, channel="atom", template="x")
    with pytest.raises(DisclaimerBreach):
        require_once("anything", "", channel="atom", template="x")  # no notice at all never passes
    require_once(HTML, TEXT, channel="atom", template="x")


@pytest.mark.parametrize("template", ["{{ nobody }}", "{% for %}", "", "{{ name }}", "{{ ''.__class__ }}" + "x" * 30])
def test_a_template_that_cannot_be_a_notice_is_refused_in_words(template: str) -> None:
    with pytest.raises(BadInput, match="disclaimer"):
        render_notice(template, name="Tide")


@given(name=st.text(min_size=1, max_size=40).filter(lambda t: t.strip()))
def test_any_name_survives_both_forms(name: str) -> None:
    text, html = render_notice(STANDARD["en"], name=" ".join(name.split()), supporters_url="https://t.example/")
    if all(c.isprintable() for c in name):
        assert count_html(f"<html><body>{html}</body></html>", text) == 1


def test_an_address_in_angle_brackets_is_a_part_of_the_notice() -> None:
    text, html = render_notice("{{ name }} speaks for itself. Supporters: <https://tide.example/s>.", name="Tide")
    assert count_text(text, text) == count_html(html, text) == count_text(linked_text(html), text) == 1
    require_once(f"Hello.\n\n{linked_text(html)}\n", text, channel="text mail", template="t", form="text")
    with pytest.raises(DisclaimerBreach, match="2 times"):
        require_once(f"{text}\n\n{text}", text, channel="text mail", template="t", form="text")


def test_a_link_with_parentheses_is_a_link_and_what_is_none_is_refused() -> None:
    url = "https://en.example/wiki/Tideway_(press)"
    text, html = render_notice(STANDARD["en"], name="Tideway", supporters_url=url)
    assert "A full list of supporters is available here." in text
    assert 'href="https://en.example/wiki/Tideway_%28press%29"' in html
    for address in (url, "example.org", "https://h.example/a b"):
        with pytest.raises(BadInput, match="link of the disclaimer") as error:
            render_notice(f"Tideway speaks for itself. [Supporters]({address}).", name="Tideway", language="en")
        assert "%28" in error.value.remedy


def test_a_text_that_was_counted_is_not_parsed_again_and_any_other_is(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    real = disclaimers._texts

    def texts(markup: str) -> tuple[str, str]:
        parsed.append(markup)
        return real(markup)

    monkeypatch.setattr(disclaimers, "_texts", texts)
    text = f"<p>Once, and again.</p>{HTML}"
    for _ in range(3):
        require_once(text, TEXT, channel="c", template="t")
    assert parsed == [text]
    for broken in (text + HTML, text.replace("independent", "dependent"), f"<div hidden>{text}</div>"):
        for _ in range(2):  # a refusal is not remembered
            with pytest.raises(DisclaimerBreach):
                require_once(broken, TEXT, channel="c", template="t")
        assert parsed[-2:] == [broken, broken]
    with pytest.raises(DisclaimerBreach):
        require_once(text, TEXT + " And more.", channel="c", template="t")  # the same text, another notice

"""The notice: one source for its forms, and a count that typography, markup and hiding places cannot fool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.errors import BadInput, DisclaimerBreach
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
    ],
)
def test_decoration_does_not_hide_the_notice(variant: str) -> None:
    assert count_html(variant, TEXT) == 1


@pytest.mark.parametrize(
    "hidden",
    [f"<!-- {TEXT} -->", f"<script>{TEXT}</script>", f'<p title="{TEXT}">x</p>', f"<style>{TEXT}</style>", "", " "],
)
def test_what_no_reader_sees_does_not_count(hidden: str) -> None:
    assert count_html(hidden, TEXT) == 0


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

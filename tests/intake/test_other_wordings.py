"""A notice in other words, or one that the document hides: another's is stopped, the own one taken; prose passes."""

from __future__ import annotations

import pytest

from syndication.errors import BadInput
from syndication.intake.blocks import Structured, structured
from syndication.intake.markdown import read_markdown
from syndication.intake.notices import Own
from syndication.intake.page import read_html
from syndication.intake.plain import read_plain

OWN = Own("Harbour Office", (), ("harbour-office",))
FIRST = (
    "The positions of {0}, and our policy experts, are independent, and the findings and conclusions presented are those "
    "of {0} alone."
)
NAMES = ["Inland Board", "U.S. Board of Tides", "O’Neil & Sons, Inc.", "Institute for Arts and Sciences"]
IN_OTHER_WORDS = [
    "The positions of {0}, and our policy experts, are independent, and the findings and conclusions presented are solely "
    "those of {0}.",
    "The positions of {0}, & our policy experts, are independent, and the findings and conclusions presented are those of "
    "{0} alone. A full list of supporters is available here. {0} would like to acknowledge the many generous supporters.",
    "Positions of {0}, and our policy experts, are independent, and the findings and conclusions presented are those of {0}.",
    "The positions of {0} are independent, and the findings, conclusions presented are those of {0} alone.",
    "The positions of {0}, and our policy experts, are independent, and the findings and conclusions presented here are those "
    "of {0} alone.",
    "The positions of {0}, and our policy experts, are independant, and the findings and conclusions presented are those "
    "of {0} alone.",
    "The positions of {0}, and our policy experts, are inde-\npendent, and the findings and conclusions presented are those of "
    "{0} alone.",
    "The p\u043esitions of {0} are independent, and the results are those of {0} alone.",  # a Cyrillic letter
    "Die Positionen von {0} sind unabhängig, und die Ergebnisse sind allein die von {0}.",
    "Les positions de {0} sont indépendantes, et les résultats présentés ici n’engagent que {0}.",
    "Las posiciones de {0} son independientes, y las conclusiones son solo de {0}.",
]
THANKING = [
    "{0} would like to acknowledge the many generous supporters who make our work possible.",
    "A full list of supporters is available here. {0} would like to thank the donors who make its work possible.",
    "{0} dankt den vielen großzügigen Förderern, die unsere Arbeit möglich machen.",
]


def plain(*paragraphs: str) -> Structured:
    return structured(read_plain("\n\n".join(("Title", *paragraphs)), "a.txt").blocks, OWN, "a.txt")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wording", [*IN_OTHER_WORDS, *THANKING])
def test_anothers_notice_is_stopped_in_other_words_too(wording: str, name: str) -> None:
    straight = name.replace("’", "'")
    for after in ((), ("Jane Doe writes about tides.",), ("Explore The Series",)):
        with pytest.raises(BadInput) as error:
            plain("Text.", wording.format(name), *after)
        assert f"notice of {straight}, the publication is Harbour Office" in str(error.value)
        assert "also_known_as" in error.value.remedy


@pytest.mark.parametrize("wording", IN_OTHER_WORDS)
def test_the_own_notice_in_other_words_is_taken(wording: str) -> None:
    assert plain("Text.", wording.format("Harbour Office")).body_html == "<p>Text.</p>"
    with pytest.raises(BadInput, match=r"other words|quotes the notice of Harbour Office"):
        plain("Text.", f"So it is. {wording.format('Harbour Office')}")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("thanks", THANKING)
def test_anothers_thanks_do_not_go_along_with_the_own_notice(thanks: str, name: str) -> None:
    with pytest.raises(BadInput, match="notice"):
        plain("Text.", FIRST.format("Harbour Office"), thanks.format(name))
    for own in ("Harbour Office", "The Harbour Office", "The Office", "We"):
        assert "Text" in plain("Text.", f"{FIRST.format('Harbour Office')} {THANKING[0].format(own)}").body_html


def test_two_names_in_one_notice_are_not_ours() -> None:
    for names in (
        ("Harbour Office", "Inland Board"),
        ("Inland Board", "Harbour Office"),
        ("Inland Board", "its authors"),
    ):
        first, rest = FIRST.split("{0}", 1)
        with pytest.raises(BadInput, match=r"notice of (?:Inland Board|its authors)"):
            plain("Text.", first + names[0] + rest.replace("{0}", names[1]))


@pytest.mark.parametrize(
    "prose",
    [
        "The positions of the ferries are independent of the tide.",
        "The positions of the two boards are independent, and their findings differ from those of the two boards abroad.",
        "The views of the unions are independent of the party. Their findings, like those of the unions abroad, are old.",
        "The findings and conclusions presented here are those of the author alone.",
        "The positions of the ferries are independent. The results are those of a survey of 2024.",
        "We are independent. The conclusions are those of our readers, and the positions of the ships are on the map.",
        "The author would like to thank the many supporters of the museum, and the donors of the boats.",
        "The author would like to acknowledge the generous support of the Foundation.",
        "The town thanks its donors. Its full list of supporters hangs in the hall.",
        "Die Positionen der Schiffe sind unabhängig vom Wetter.",
        "Les positions des navires sont indépendantes de la marée.",
        "Las posiciones de los barcos son independientes de la marea.",
    ],
)
def test_ordinary_prose_at_the_end_is_no_notice(prose: str) -> None:
    got = plain("Text.", prose)
    assert got.body_html == f"<p>Text.</p>\n<p>{prose}</p>"
    assert got.warnings == ()


HIDING = [
    "style='display: none'",
    "hidden",
    "aria-hidden=true",
    "style='font-size:0'",
    "style='position:absolute;left:-9999px'",
]


@pytest.mark.parametrize(
    "markup",
    [
        *(f"<p {how}>{{0}}</p>" for how in HIDING),
        "<div hidden><p>{0}</p></div>",
        "<details><summary>Notes</summary><p>{0}</p></details>",
        "<p><ruby>x<rp>{0}</rp></ruby></p>",
        "<dialog><p>{0}</p></dialog>",
    ],
)
def test_a_notice_that_the_source_hides_is_judged_as_any_other(markup: str) -> None:
    for notice in (FIRST, IN_OTHER_WORDS[0], THANKING[0]):
        hidden = markup.format(notice.format("Inland Board"))
        for read in (
            read_html(f"<article><h1>T</h1><p>Text.</p>{hidden}</article>", "a.html"),
            read_markdown(f"# T\n\nText.\n\n{hidden}\n", "a.md"),
        ):
            with pytest.raises(BadInput, match=r"notice of .*Inland Board,? "):
                structured(read.blocks, OWN, "a")


@pytest.mark.parametrize("how", [*(one for one in HIDING if "aria" not in one), "style='visibility:hidden'"])
def test_what_the_source_hides_does_not_come_into_sight(how: str) -> None:
    own = f"<p {how}>{FIRST.format('Harbour Office')}</p>"
    for read in (
        read_html(
            f"<article><h1>T</h1><p>Text<b {how}>, internal</b>.</p><div {how}><p>A note.</p></div>{own}</article>", "a"
        ),
        read_markdown(f"# T\n\nText<b {how}>, internal</b>.\n\n<div {how}><p>A note.</p></div>\n\n{own}", "a"),
    ):
        assert structured(read.blocks, OWN, "a").body_html == "<p>Text.</p>"
        assert read.warnings == ("left out, since the document hides it: “, internal”; “A note.”",)


def test_what_only_seems_hidden_stays() -> None:
    page = (
        "<article><h1>T</h1><p>Text <i aria-hidden=true>with a sign</i>.</p>"
        "<figure style='opacity:0'><img src=a.png alt=A></figure>"
        "<div style='height:0;padding-bottom:56%'><iframe src='https://v.example/1'></iframe></div></article>"
    )
    read = read_html(page, "a.html")
    assert [word in "".join(b.html for b in read.blocks) for word in ("sign", "a.png", "v.example/1")] == [True] * 3
    assert read.warnings == ()

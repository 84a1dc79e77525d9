"""Marks of direction in a title or a standfirst end with it: nothing beside it is turned around."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndication.intake.decode import without_open_bidi
from syndication.intake.reading import Folder, draft_of
from syndication.settings import Settings

RLO, RLE, PDF, RLI, PDI = "\u202e", "\u202b", "\u202c", "\u2067", "\u2069"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (f"A {RLO}cba", "A cba"),
        (f"A {RLO}cba{PDF} b", f"A {RLO}cba{PDF} b"),
        (f"{PDF}A{PDI}", "A"),
        (f"{RLI}{RLE}a{PDI}{PDF}", f"{RLI}a{PDI}"),
        (f"{RLE}{RLI}a{PDF}", "a"),
        (f"{RLI}{RLO}a{PDF}{PDI}", f"{RLI}{RLO}a{PDF}{PDI}"),
        ("مرحبا \u200fworld", "مرحبا \u200fworld"),
    ],
)
def test_what_is_opened_and_closed_stays(written: str, kept: str) -> None:
    assert without_open_bidi(written) == kept


@given(st.text(alphabet=f"ab{RLO}{RLE}{PDF}{RLI}{PDI}"))
def test_afterwards_nothing_is_open(text: str) -> None:
    kept = without_open_bidi(text)
    assert without_open_bidi(kept) == kept
    assert kept.count(RLO) + kept.count(RLE) == kept.count(PDF)
    assert kept.count(RLI) == kept.count(PDI)
    assert [c for c in kept if c in "ab"] == [c for c in text if c in "ab"]


@pytest.mark.parametrize(
    "text",
    [
        f"---\ntitle: A {RLO}title\nstandfirst: Some {RLO}words\nrelated: ['More {RLO}here']\n---\nText.\n",
        f"# A {RLO}title\n\nSome {RLO}words\n\nPart of a Series\n\nText.\n\nRelated reading\n\n- More {RLO}here\n",
    ],
)
def test_lines_beside_others_are_closed_wherever_they_are_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    folder = Folder(tmp_path, "Harbour Office", "harbour", "https://h.example", "en", "Europe/Lisbon", ())
    got = draft_of(tmp_path / "a.md", "a.md", folder, Settings(), in_tree=False).content
    assert (got.title, got.standfirst, [one.title for one in got.related]) == ("A title", "Some words", ["More here"])

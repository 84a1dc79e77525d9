"""Every command that the documentation, a message or a template names is there, with the options named beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from syndication.cli.main import COMMANDS, build

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "docker-compose.yml")),
    *(
        f
        for d, kind in (("docs", "*.md"), ("syndication", "*.py"), ("templates", "*.html"))
        for f in (ROOT / d).rglob(kind)
    ),
]
_NAMED = re.compile(r"`(?:syndicate )?([a-z]+(?: [^`\n]+)?)`")


def named() -> list[tuple[str, ...]]:
    """Each command as its words; in the documentation also without `syndicate` before it, where more words follow."""
    found = set()
    for file in FILES:
        for words in _NAMED.finditer(file.read_text("utf-8")):
            said = tuple(words[1].split())
            if (words[0].startswith("`syndicate ") and said[0] != "syndicate") or (
                file.suffix == ".md" and said[0] in COMMANDS and len(said) > 1
            ):
                found.add(said)
    return sorted(found)


@pytest.mark.parametrize("words", named(), ids=" ".join)
def test_a_command_that_is_named_is_there(words: tuple[str, ...]) -> None:
    assert words[0] in COMMANDS, "no such command"
    whole = get_command(build(words[0]))
    assert isinstance(whole, TyperGroup)
    found, rest = whole.commands[words[0]], words[1:]
    if isinstance(found, TyperGroup) and rest and re.fullmatch(r"[a-z]+", rest[0]):
        assert rest[0] in found.commands, f"{words[0]} has no {rest[0]}"
        found, rest = found.commands[rest[0]], rest[1:]
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known | {"--help"}


def test_they_are_found() -> None:
    assert len(named()) > 50

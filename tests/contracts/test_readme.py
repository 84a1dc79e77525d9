"""The README is true: every command of its tour runs as it stands there, beside a service such as `make run` starts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.embedded.service import ROOT, Service, until

README = (ROOT / "README.md").read_text("utf-8")
# What the reader is told to see, by a word of the command.
SEEN = {
    "entries": "2031-03-04",
    "preview": "preview/slow-crossings-the-bridge-that-waits/page.html\n",
    "all.json": '"version":"https://jsonfeed.org/version/1.1"',
    "publish the": "published",
    "digest cut": "daily",
    "digest list": "at-once",
    "deliveries list": "daily@demo.example",
    "why daily": "daily@demo.example got “The Bridge That Waits”",
    "partners/v1": '"content_html"',
    "partners pulls": "Demo partner",
    "withdraw": "withdrawn",
    "curl -si": "410 Gone",
    "doctor": "ok",
}


def tour() -> list[str]:
    """The commands of the shell block, without their remarks."""
    (block,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line.partition("  #")[0].strip() for line in block.splitlines() if line.strip()]


@pytest.mark.timeout(240)
def test_every_command_of_the_tour_runs(tmp_path: Path) -> None:
    alias, *commands = tour()
    assert alias == 'alias syndicate=".venv/bin/python -m syndication"'
    assert len(commands) == len(SEEN)
    data = tmp_path / "data"
    with Service(data, str(ROOT / "seeds")) as service:
        until(service.ready)
        for command, (word, seen) in zip(commands, SEEN.items(), strict=True):
            assert word in command
            typed = command.replace("localhost:8000", f"127.0.0.1:{service.port}").replace("cat var/", f"cat {data}/")

            def run(typed: str = typed) -> str:
                done = subprocess.run(
                    ["bash", "-o", "pipefail", "-c", f'syndicate() {{ "{sys.executable}" -m syndication "$@"; }}; {typed}'],
                    env=service.environment, cwd=ROOT, capture_output=True, text=True, timeout=90,
                )  # fmt: skip
                assert done.returncode in (0, 23), f"{typed}\n{done.stderr}"  # 23: curl, whose reader `head` had enough
                return done.stdout

            if "list" in command or "why" in command or "pulls" in command:  # workers take a moment
                until(lambda run=run, seen=seen: seen in run())  # type: ignore[misc]
            else:
                assert seen in run(), typed


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    (picture,) = re.findall(r"!\[[^\]]+\]\((.*?)\)", README)
    assert (ROOT / picture).stat().st_size < 250_000
    assert Image.open(ROOT / picture).width >= 1000


def test_the_file_tour_names_what_is_there() -> None:
    (tree,) = re.findall(r"```\n(syndication/ .*?)```", README, re.DOTALL)
    folders = {line.split()[0] for line in tree.splitlines() if not line.startswith(" ")}
    assert all((ROOT / folder).is_dir() for folder in folders)
    packages = {p.parent.name for p in (ROOT / "syndication").glob("*/__init__.py")}
    assert set(re.findall(r"[a-z]+", tree.splitlines()[1])) == packages
    documents = re.findall(r"^docs/ +(.*)$", tree, re.MULTILINE)[0].split(" · ")
    assert {d.stem for d in (ROOT / "docs").glob("*.md")} | {"decisions"} == set(documents)


def test_the_glossary_explains_the_words_of_the_readme() -> None:
    glossary = (ROOT / "docs/glossary.md").read_text("utf-8")
    words = re.findall(r"\*\*([a-z ]+)\*\*", README.split("## Words")[1].split("## Where")[0])
    assert len(words) >= 9
    for word in words:
        assert f"**{word}**" in glossary

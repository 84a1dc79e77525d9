"""Markdown with YAML front matter: CommonMark with tables, footnotes and struck-out words. Pure.

Front matter is read as words, not as YAML 1.1 guesses: `no` is Norwegian, `1.10` keeps its nought, `012` is no octal number.
Aliases are refused (nine of them make a thousand million), and so is a key that stands twice.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from syndication.errors import BadInput
from syndication.intake.blocks import from_tree
from syndication.intake.document import Read
from syndication.intake.front import front
from syndication.intake.hidden import without_hidden
from syndication.intake.markup import fragment

_FENCE = re.compile(r"---[ \t]*(?:\n|$)")
_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def read_markdown(text: str, source: str) -> Read:
    """A leading `# Title` serves as one; where the front matter has the same, it is not said twice."""
    fields: dict[str, Any] = {}
    lines: dict[str, int] = {}
    above = len(text) - len(text.lstrip("\n"))
    text = text[above:]
    if text.startswith("+++"):
        raise BadInput(
            "the front matter is TOML (+++);",
            where=f"{source}, line 1",
            remedy="write it as YAML between lines of ---.",
        )
    if _FENCE.match(text):
        found = _FRONT.match(text)
        if found is None:
            raise BadInput(
                "the front matter does not end;", where=f"{source}, line 1", remedy="close it with a line of ---."
            )
        fields, text = _fields(found[1], source, above), text[found.end() :]
        for number, line in enumerate(found[1].split("\n"), above + 2):
            if key := re.match(r"([\w-]+)[ \t]*:", line):
                lines.setdefault(key[1], number)
    said, warnings = front(fields, source, lines)
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).use(footnote_plugin)
    tree = fragment(markdown.render(text), source)
    hidden = without_hidden(tree)
    blocks = from_tree(tree)
    if blocks and blocks[0].html.startswith("<h1") and blocks[0].text:
        if not said.title:
            said = said.model_copy(update={"title": blocks[0].text})
        if said.title == blocks[0].text:
            blocks = blocks[1:]
    return Read(said, tuple(blocks), (*warnings, *hidden))


class _Words(yaml.SafeLoader):
    """Every scalar is the text that stands there, or nothing."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not taken", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} stands twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


_Words.yaml_implicit_resolvers = {
    first: [(tag, shape) for tag, shape in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _fields(head: str, source: str, above: int) -> dict[str, Any]:
    try:
        fields = yaml.load(head, Loader=_Words) or {}  # noqa: S506  # a SafeLoader
    except (ValueError, RecursionError) as error:  # a tag that does not fit its words; brackets without end
        raise BadInput(
            f"the front matter has a value that cannot be read: {error};", where=source, remedy="put words in quotes."
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or error)
        remedy = "put words with colons in quotes."
        if "alias" in problem or "twice" in problem:
            remedy = "write it out." if "alias" in problem else "leave one of the two."
        elif "\\t" in problem:
            remedy = "indent with spaces, not with tabs."
        raise BadInput(
            f"the front matter is not YAML: {problem};" if remedy.startswith("put") else f"front matter: {problem};",
            where=f"{source}, line {mark.line + 2 + above}" if mark else source,
            remedy=remedy,
        ) from error
    if not isinstance(fields, dict):
        raise BadInput("the front matter is not a list of keys;", where=source, remedy="write `title: …` and so on.")
    return {str(key): value for key, value in fields.items()}

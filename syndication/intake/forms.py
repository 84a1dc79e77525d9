"""The document forms: plain text, Markdown with front matter, HTML. Each gives what it says of itself and its blocks. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import yaml
from lxml import etree
from lxml import html as lxml_html
from markdown_it import MarkdownIt
from mdit_py_plugins.footnote import footnote_plugin

from syndication.errors import BadInput
from syndication.intake.blocks import Block, from_html, is_mark, paragraph
from syndication.intake.front import Front, front
from syndication.intake.notices import named_in


@dataclass(frozen=True, slots=True)
class Read:
    """A document as its form says it; the title stands in `front`."""

    front: Front
    blocks: tuple[Block, ...]


def read_plain(text: str, source: str) -> Read:
    """Title, then paragraphs apart by blank lines; the marks are found later, in `blocks.structured`."""
    first, *rest = _paragraphs(text)
    title = " ".join(first.split())
    if len(title) > 300 or is_mark(title) or named_in(title, whole=False):
        raise BadInput(
            "the document has no title: its first paragraph is something else;",
            where=f"{source}, line 1",
            remedy="put the title in the first line and leave a line blank after it.",
        )
    return Read(front({"title": title}, source), tuple(paragraph(p) for p in rest))


def _paragraphs(text: str) -> list[str]:
    """Apart by blank lines; a mark and the beginning of a notice start anew also without one, and a mark stands alone."""
    paragraphs: list[list[str]] = [[]]
    lines = text.split("\n")
    for number, line in enumerate(lines):
        alone = is_mark(line)
        following = " ".join(lines[number : number + 6])
        if alone or not line.strip() or (paragraphs[-1] and _starts_notice(line, following)):
            paragraphs.append([])
        if line.strip():
            paragraphs[-1].append(line)
        if alone:
            paragraphs.append([])
    return ["\n".join(lines) for lines in paragraphs if lines]


def _starts_notice(line: str, following: str) -> bool:
    name = named_in(following, whole=False)
    return (
        name is not None and named_in(" ".join(following.split())[len(" ".join(line.split())) :], whole=False) is None
    )


def read_markdown(text: str, source: str) -> Read:
    """YAML between two lines of `---`, then CommonMark with tables and footnotes; a leading `# Title` serves as one."""
    fields: dict[str, Any] = {}
    lines: dict[str, int] = {}
    text = text.lstrip("\n")
    if _FENCE.match(text):
        found = _FRONT.match(text)
        if found is None:
            raise BadInput(
                "the front matter does not end;", where=f"{source}, line 1", remedy="close it with a line of ---."
            )
        fields, text = _yaml(found[1], source), text[found.end() :]
        for number, line in enumerate(found[1].split("\n"), 2):
            if key := re.match(r"([\w-]+)[ \t]*:", line):
                lines.setdefault(key[1], number)
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).use(footnote_plugin)
    blocks = from_html(markdown.render(text))
    if not fields.get("title") and blocks and blocks[0].html.startswith("<h1"):
        fields["title"] = blocks[0].text
        blocks = blocks[1:]
    return Read(front(fields, source, lines), tuple(blocks))


def read_html(text: str, source: str) -> Read:
    """The `<article>` or `<main>`; without either, what trafilatura finds to be the text. `<meta>` as in front matter."""
    root = _tree(text)
    fields = _metadata(root)
    found = _all(root, "//article[not(ancestor::article)]") or _all(root, "//main")
    if found:
        main = max(found, key=lambda one: len(one.text_content()))  # teasers of other entries are articles too
    else:
        main, extracted = _extracted(text, root)
        fields = {**extracted, **fields}
    if main.get("lang"):
        fields["language"] = main.get("lang", "").replace("_", "-")
    heading = next(iter(_all(main, ".//h1")), None)
    if heading is not None:
        fields.setdefault("title", " ".join(heading.text_content().split()))
        heading.drop_tree()
    title = root.findtext(".//title")
    if title and title.strip():
        fields.setdefault("title", " ".join(title.split()))
    for stray in _all(main, ".//script|.//style|.//nav|.//form|.//iframe|.//noscript"):
        stray.drop_tree()
    body = (main.text or "") + "".join(etree.tostring(child, encoding="unicode", method="html") for child in main)
    return Read(front(fields, source), tuple(from_html(body)))


FORMS: dict[str, Callable[[str, str], Read]] = {
    ".txt": read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
}
_FENCE = re.compile(r"---[ \t]*(?:\n|$)")
_FRONT = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_LISTS = ("authors", "topics", "notes")
_NAMES = {"author": "authors", "description": "standfirst", "article:published_time": "published", "keywords": "topics"}


def _yaml(head: str, source: str) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(head) or {}
    except (ValueError, RecursionError) as error:  # a day that does not exist; brackets without end
        raise BadInput(
            f"the front matter has a value that cannot be read: {error};",
            where=source,
            remedy="write dates like 2026-03-31 and put other words in quotes.",
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 2}" if mark else ""
        raise BadInput(
            f"the front matter is not YAML: {getattr(error, 'problem', error)};",
            where=f"{source}{line}",
            remedy="put words with colons in quotes.",
        ) from error
    if not isinstance(fields, dict):
        raise BadInput("the front matter is not a list of keys;", where=source, remedy="write `title: …` and so on.")
    return {str(key): value for key, value in fields.items()}


def _metadata(root: lxml_html.HtmlElement) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for meta in _all(root, "//meta[@content]"):
        name = (meta.get("name") or meta.get("property") or "").strip().lower()
        name, value = _NAMES.get(name, name), (meta.get("content") or "").strip()
        if name not in Front.model_fields or not value:
            continue
        if name in _LISTS:
            several = [value] if name == "notes" else [v.strip() for v in value.split(",") if v.strip()]
            fields.setdefault(name, []).extend(several)
        else:
            fields.setdefault(name, value)
    for link in _all(root, "//link[@rel='canonical']"):
        if (link.get("href") or "").startswith("http"):
            fields.setdefault("canonical_url", link.get("href"))
    if root.get("lang"):
        fields.setdefault("language", root.get("lang", "").replace("_", "-"))
    return fields


def _extracted(text: str, root: lxml_html.HtmlElement) -> tuple[lxml_html.HtmlElement, dict[str, Any]]:
    import trafilatura  # half a second to import, and most documents have an <article>

    markup = trafilatura.extract(
        text,
        output_format="html",
        include_links=True,
        include_tables=True,
        include_formatting=True,
        include_images=True,
    )
    meta = trafilatura.extract_metadata(text)
    fields: dict[str, Any] = {}
    if meta is not None:
        if meta.title:
            fields["title"] = meta.title
        if meta.author:
            fields["authors"] = [name.strip() for name in meta.author.split(";")]
    if not markup:
        return next(iter(_all(root, "//body")), root), fields
    found = next(iter(_all(_tree(markup), "//body")), root)
    return found, fields


def _tree(text: str) -> lxml_html.HtmlElement:
    try:
        return lxml_html.document_fromstring(text.encode(), parser=lxml_html.HTMLParser(encoding="utf-8"))
    except etree.ParserError:  # nothing but a comment
        return lxml_html.document_fromstring("<html><body></body></html>")


def _all(element: lxml_html.HtmlElement, path: str) -> list[lxml_html.HtmlElement]:
    """The elements of an XPath that selects elements only."""
    return cast("list[lxml_html.HtmlElement]", element.xpath(path))

"""HTML into a tree and back, whole or not at all. Pure.

libxml2 drops what is nested deeper than 256 and goes on without a word; a page around an entry takes some levels too. So what
is deeper than `DEEPEST` is refused.
"""

from __future__ import annotations

from lxml import etree
from lxml import html as lxml_html

from syndication.errors import BadInput
from syndication.intake.decode import without_controls

DEEPEST = 100


def document(text: str, source: str) -> lxml_html.HtmlElement:
    """The tree of a page. Raises BadInput where not all of it could be read."""
    parser = lxml_html.HTMLParser(encoding="utf-8")
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError as error:  # nothing but a comment
        if any(one.type_name == "ERR_RESOURCE_LIMIT" for one in parser.error_log):
            raise _too_much(source) from error
        return lxml_html.document_fromstring("<html><body></body></html>")
    return _whole(root, parser, source)


def fragment(markup: str, source: str, tag: str = "div") -> lxml_html.HtmlElement:
    """A piece of HTML inside one element. Raises as `document`."""
    parser = lxml_html.HTMLParser()
    markup = without_controls(markup)  # &#8; comes out of a tree as itself, and does not go into one
    return _whole(lxml_html.fragment_fromstring(markup, create_parent=tag, parser=parser), parser, source)


def inner(element: lxml_html.HtmlElement) -> str:
    """The markup inside an element."""
    start = (element.text or "").replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return start + "".join(outer(child) for child in element)


def outer(element: lxml_html.HtmlElement) -> str:
    return etree.tostring(element, encoding="unicode", method="html")


def _whole(root: lxml_html.HtmlElement, parser: lxml_html.HTMLParser, source: str) -> lxml_html.HtmlElement:
    if any(one.type_name == "ERR_RESOURCE_LIMIT" for one in parser.error_log):
        raise _too_much(source)
    depth = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEEPEST:
            raise _too_much(source)
    return root


def _too_much(source: str) -> BadInput:
    return BadInput(
        f"its elements are nested deeper than {DEEPEST}, or one is too long;",
        where=source,
        remedy="take away the containers around the text.",
    )

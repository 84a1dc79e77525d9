"""What no feed and no mail can show: films, frames, drawings, formulas become links or words, and are told. Pure."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from lxml import html as lxml_html

from syndication.intake.markup import fragment, inner
from syndication.intake.sanitise import TAGS

_SHOWN_ELSEWHERE = ("iframe", "video", "audio", "embed", "object")
# Elements that may go without their words losing anything.
_TRANSPARENT = TAGS | {
    "acronym", "article", "aside", "big", "button", "center", "data", "fieldset", "font", "footer", "form", "h1", "header",
    "hgroup", "label", "legend", "main", "meta", "nav", "nobr", "noscript", "output", "picture", "rb", "rtc", "script",
    "search", "source", "strike", "style", "template", "tt",
}  # fmt: skip


def without_embeds(body_html: str, base: str, source: str) -> tuple[str, tuple[str, ...]]:
    """(the body, warnings). What has an address becomes a link to it (relative ones resolved against `base`)."""
    tree = fragment(body_html, source)
    told: list[str] = []
    for element in list(tree.iter(*_SHOWN_ELSEWHERE)):
        if element.getparent() is None:
            continue
        address = _address(element, base)
        words = " ".join((element.get("title") or element.get("aria-label") or "").split()) or address
        if address:
            link = lxml_html.Element("a", {"href": address})
            link.text = words
            around = element.getparent()
            if around is tree:  # a block of its own
                paragraph = lxml_html.Element("p")
                paragraph.append(link)
                link = paragraph
            link.tail = element.tail
            around.replace(element, link)
            told.append(f"the {element.tag} {address[:80]} became a link")
        else:
            element.drop_tag()
            told.append(f"the {element.tag} was left out")
    for element in list(tree.iter("svg")):
        if element.getparent() is not None:
            element.drop_tree()
            told.append("a drawing (svg) was left out; export it as PNG")
    rest = {e.tag for e in tree.iter() if isinstance(e.tag, str)} - _TRANSPARENT - {"div"}
    outermost = sorted(tag for tag in rest if any(e.getparent().tag not in rest for e in tree.iter(tag)))
    told += [f"<{tag}> was reduced to its words" for tag in outermost]
    if not told:
        return body_html, ()
    return inner(tree), tuple(dict.fromkeys(told))


def _address(element: lxml_html.HtmlElement, base: str) -> str:
    for one in (element, *element.iter("source")):
        said = (one.get("src") or one.get("data") or "").strip()
        try:
            address = urljoin(base, said) if said else ""
            if urlsplit(address).scheme in ("http", "https"):
                return address
        except ValueError:
            continue
    return ""

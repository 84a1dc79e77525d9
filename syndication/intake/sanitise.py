"""A body that is safe wherever it is shown: an allow-list of elements, attributes and schemes, by nh3. Pure."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import nh3

from syndication.intake.decode import without_controls

TAGS = {
    "a", "abbr", "address", "b", "bdi", "bdo", "blockquote", "br", "caption", "cite", "code", "col", "colgroup",
    "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h2", "h3", "h4", "h5", "h6",
    "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "section",
    "small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time",
    "tr", "u", "ul", "var", "wbr",
}  # fmt: skip
ATTRIBUTES = {
    "*": {"dir", "lang", "id"},
    "a": {"href", "hreflang"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "col": {"span"},
    "colgroup": {"span"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start", "reversed", "type"},
    "q": {"cite"},
    "td": {"align", "colspan", "rowspan", "headers"},
    "th": {"align", "colspan", "rowspan", "headers", "scope"},
    "time": {"datetime"},
}
SCHEMES = {"http", "https", "mailto", "media"}
_H1 = re.compile(r"<(/?)h1\b", re.IGNORECASE)
_ALIGNED = re.compile(
    r'(<t[dh]\b[^>]*?) style="text-align:\s*(left|right|center);?"', re.IGNORECASE
)  # as Markdown says it


def sanitised(markup: str, base: str) -> str:
    """`markup` without scripts, styles, event handlers and strange schemes; relative links resolved against `base`.

    Ids get the prefix `e-`, so that a text cannot take the name of a part of the page around it.
    """

    def attribute(tag: str, name: str, value: str) -> str | None:
        if name == "id" or name == "headers":
            return " ".join(f"e-{one}" for one in value.split())
        if name in ("href", "cite"):
            value = value.strip()
            if value.startswith("#"):
                return f"#e-{value[1:]}"
            try:
                return value if re.match(r"[a-z][a-z0-9+.-]*:", value, re.IGNORECASE) else urljoin(base, value)
            except ValueError:  # such as //[half a host
                return None
        if tag == "img" and name == "src" and not value.startswith("media:"):
            return None
        return value

    safe: str = nh3.clean(
        _ALIGNED.sub(r'\1 align="\2"', _H1.sub(r"<\1h2", markup)),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        clean_content_tags={"script", "style", "template", "iframe", "object", "noscript", "textarea", "title"},
        attribute_filter=attribute,
        link_rel=None,
    )
    return without_controls(safe).strip()  # &#8; comes out as itself

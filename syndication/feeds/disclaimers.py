"""The standard independence disclaimer: its wording, its forms, and the gate that counts it. Pure.

A template is plain text with Jinja's `{{ name }}` and `{{ supporters_url }}` and links as `[words](address)`; from that one
source come the text and the HTML form. Counting is done on decoded, white-space-normalised text with typographic variants
folded, so that a curly quote or a line break cannot hide a second notice.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Literal

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from lxml import etree
from lxml import html as lxml_html

from syndication.errors import BadInput, DisclaimerBreach

STANDARD = {
    "en": (
        "The positions of {{ name }}, and our policy experts, are independent, and the findings and conclusions presented "
        "are those of {{ name }} alone. {% if supporters_url %}[A full list of supporters]({{ supporters_url }}) is available "
        "here. {% endif %}{{ name }} would like to acknowledge the many generous supporters who make our work possible."
    ),
    "de": (
        "Die Positionen von {{ name }} und unserer Fachleute sind unabhängig; die hier vorgelegten Ergebnisse und "
        "Schlussfolgerungen sind allein die von {{ name }}. {% if supporters_url %}[Eine vollständige Liste der Förderer]"
        "({{ supporters_url }}) ist öffentlich. {% endif %}{{ name }} dankt den vielen großzügigen Förderern, die unsere "
        "Arbeit möglich machen."
    ),
    "fr": (
        "Les positions de {{ name }} et de nos spécialistes sont indépendantes, et les résultats et conclusions présentés "
        "n’engagent que {{ name }}. {% if supporters_url %}[La liste complète des donateurs]({{ supporters_url }}) est "
        "publique. {% endif %}{{ name }} remercie les nombreux et généreux donateurs qui rendent son travail possible."
    ),
    "es": (
        "Las posiciones de {{ name }} y de nuestros especialistas son independientes, y los resultados y conclusiones "
        "presentados son únicamente de {{ name }}. {% if supporters_url %}[La lista completa de quienes nos apoyan]"
        "({{ supporters_url }}) es pública. {% endif %}{{ name }} agradece a los muchos y generosos donantes que hacen "
        "posible nuestro trabajo."
    ),
}

_LINK = re.compile(r"\[([^\[\]]+)\]\((https?://[^\s()<>\"]+)\)")
_ANCHOR = re.compile(r'<a href="([^"]+)"[^>]*>(.*?)</a>')
_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_BRACKETED_ADDRESS = re.compile(r" ?<(?:https?://|mailto:)[^<>\s]+>")
_FOLD = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‑": "-"})
_UNSHOWN = frozenset({"script", "style", "template", "title", "noscript"})
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "i", "kbd", "mark", "q", "s", "samp",
    "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr", "font",
})  # fmt: skip
_PARSER = lxml_html.HTMLParser(encoding="utf-8")
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


def render_notice(template: str, *, name: str, supporters_url: str = "", language: str = "en") -> tuple[str, str]:
    """(text, html) of a notice. Raises BadInput where the template cannot be rendered, is empty or longer than 4,000."""
    where = f"disclaimer.{language}"
    try:
        source = _environment.from_string(template).render(name=name, supporters_url=supporters_url)
    except TemplateError as error:
        raise BadInput(
            f"the disclaimer's template cannot be rendered: {error.message};",
            where=where,
            remedy="use {{ name }}, {{ supporters_url }} and [words](address) only.",
        ) from error
    source = " ".join(source.split())
    text = _LINK.sub(r"\1", source)
    if not 20 <= len(text) <= 4_000:
        raise BadInput(
            f"the disclaimer has {len(text)} characters;", where=where, remedy="write between 20 and 4,000 of them."
        )
    pieces: list[str] = []
    end = 0
    for link in _LINK.finditer(source):
        pieces.append(html.escape(source[end : link.start()], quote=False))
        pieces.append(f'<a href="{html.escape(link[2])}">{html.escape(link[1], quote=False)}</a>')
        end = link.end()
    pieces.append(html.escape(source[end:], quote=False))
    return text, f'<p lang="{html.escape(language)}">{"".join(pieces)}</p>'


def linked_text(notice_html: str) -> str:
    """The text form with its addresses in angle brackets after their words, for a text mail."""
    linked = _ANCHOR.sub(lambda a: f"{a[2]} &lt;{a[1]}&gt;", notice_html)
    return html.unescape(re.sub(r"<[^>]+>", "", linked))


def normalised(text: str) -> str:
    """One line, NFKC, straight quotes and hyphens, nothing invisible: what two wordings are compared by."""
    return " ".join(unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_FOLD).split())


def count_text(text: str, notice_text: str) -> int:
    """How often the notice stands in a plain text; addresses in angle brackets between its words do not hide it."""
    return normalised(_BRACKETED_ADDRESS.sub("", text)).count(normalised(notice_text))


def count_html(markup: str, notice_text: str) -> int:
    """How often a reader sees the notice in an HTML page or fragment."""
    return normalised(visible_text(markup)).count(normalised(notice_text))


def visible_text(markup: str) -> str:
    """The text of HTML as a reader sees it: no scripts, styles, comments or attributes; blocks set apart by a space."""
    try:
        # As bytes: lxml refuses a str with an encoding declaration, and takes these for what they are.
        root = lxml_html.document_fromstring(markup.encode("utf-8", "replace"), parser=_PARSER)
    except etree.ParserError:  # nothing but white space or a comment
        return ""
    pieces: list[str] = []
    _gather(root, pieces)
    return "".join(pieces)


def _gather(element: lxml_html.HtmlElement, pieces: list[str]) -> None:
    tag = element.tag
    shown = isinstance(tag, str) and tag not in _UNSHOWN
    if shown:
        block = tag not in _INLINE
        if block:
            pieces.append(" ")
        if element.text:
            pieces.append(element.text)
        for child in element:
            _gather(child, pieces)
        if block:
            pieces.append(" ")
    if element.tail:
        pieces.append(element.tail)


def require_once(
    payload: str,
    notice_text: str,
    *,
    channel: str,
    template: str,
    form: Literal["html", "text"] = "html",
    where: str = "",
) -> None:
    """Raises DisclaimerBreach unless the notice stands in `payload` exactly once. Fail-closed: an empty notice raises."""
    count = 0
    if normalised(notice_text):
        count = count_html(payload, notice_text) if form == "html" else count_text(payload, notice_text)
    if count != 1:
        raise DisclaimerBreach(channel=channel, template=template, count=count, where=where)

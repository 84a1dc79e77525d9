"""The standard independence disclaimer: its wording, its forms, and the gate that counts it. Pure.

A template is plain text with Jinja's `{{ name }}` and `{{ supporters_url }}` and links as `[words](address)`; from that one
source come the text and the HTML form. Counting is done on decoded, white-space-normalised text with typographic variants,
letter case and invisible characters folded, so that a curly quote or a line break cannot hide a second notice. In HTML it is
done twice: on what every reader sees and on what anybody may see; a notice that some rule hides counts as a second one.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from functools import lru_cache
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
_INVISIBLE = re.compile(  # controls, and what Unicode calls default-ignorable
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BRACKETED_ADDRESS = re.compile(r" ?<(?:https?://|mailto:)[^<>\s]+>")
_FOLD = str.maketrans({
    **dict.fromkeys("‘’‚‛′`´", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-"),
})  # fmt: skip
_UNSHOWN = frozenset({"script", "style", "template", "title"})
_DOUBTFUL = frozenset({
    "audio", "canvas", "datalist", "details", "dialog", "iframe", "noscript", "object", "rp", "select", "svg", "textarea",
    "video",
})  # fmt: skip
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|(?:^|;)opacity:0*\.?0*(?:%|;|!|$)|font-size:0*\.?0*(?:[a-z%]|;|!|$)|mso-hide:all"
    r"|(?:^|;)(?:max-)?(?:height|width):0*\.?0*(?:px|;|!|$)|(?:text-indent|(?:^|;)(?:left|right|top)):-\d{3,}"
    r"|:-\d{4,}(?:px|em|rem)|(?:^|;)color:transparent|clip(?:-path)?:"
)
_INLINE = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "i", "kbd", "mark", "q", "s", "samp",
    "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr", "font",
})  # fmt: skip
_PARSER = lxml_html.HTMLParser(encoding="utf-8", huge_tree=True)  # else what is nested deeply would escape the count
_REMEMBERED = 50_000
_environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


def render_notice(template: str, *, name: str, supporters_url: str = "", language: str = "en") -> tuple[str, str]:
    """(text, html) of a notice. Raises BadInput where the template cannot be rendered, is empty or longer than 4,000."""
    where = f"disclaimer.{language}"
    try:
        supporters = supporters_url.replace("(", "%28").replace(")", "%29")  # else the link would end at them
        source = _environment.from_string(template).render(name=name, supporters_url=supporters)
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
    if "](" in text:
        raise BadInput(
            f"a link of the disclaimer cannot be read: …{text[max(0, text.index('](') - 20) :][:80]};",
            where=where,
            remedy="write [words](https://address); in the address, ( is %28 and ) is %29.",
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
    """How often the notice stands in a plain text; addresses in angle brackets, its own too, neither hide nor make it."""
    return _folded(_BRACKETED_ADDRESS.sub("", text)).count(_wanted(_BRACKETED_ADDRESS.sub("", notice_text)))


def count_html(markup: str, notice_text: str) -> int:
    """How often every reader sees the notice in an HTML page or fragment."""
    return _folded(visible_text(markup)).count(_wanted(notice_text))


def visible_text(markup: str) -> str:
    """The text of HTML as every reader sees it: no scripts, styles, comments or attributes, nothing that is hidden; blocks
    set apart by a space."""
    return _texts(markup)[0]


def possible_text(markup: str) -> str:
    """The text of HTML as some reader may see it: also what a style, an attribute or an element hides."""
    return _texts(markup)[1]


def _folded(text: str) -> str:
    return normalised(text).casefold()


_wanted = lru_cache(maxsize=64)(_folded)  # a notice, asked for again and again
_counted: set[bytes] = set()  # hashes of HTML that has its notice once: the same text stands in many feeds and formats


def _texts(markup: str) -> tuple[str, str]:
    """(what every reader sees, what some reader may see: also what a style, an attribute or an element hides)."""
    try:
        # As bytes: lxml refuses a str with an encoding declaration, and takes these for what they are.
        root = lxml_html.document_fromstring(markup.encode("utf-8", "replace"), parser=_PARSER)
    except etree.ParserError:  # nothing but white space or a comment
        return "", ""
    certain: list[str] = []
    possible: list[str] = []
    shown = seen = True  # may a reader see what stands here? does every reader?
    around: list[tuple[bool, bool]] = []
    for event, element in etree.iterwalk(root, events=("start", "end", "comment", "pi")):
        tag = element.tag
        text = element.tail
        if event == "start":
            around.append((shown, seen))
            shown = shown and tag not in _UNSHOWN
            seen = seen and shown and not (tag in _DOUBTFUL or (element.attrib and _is_hidden(element)))
            text = element.text
            if tag not in _INLINE:
                text = f" {text}" if text else " "
        elif event == "end":
            shown, seen = around.pop()
            if tag not in _INLINE:
                text = f" {text}" if text else " "
        if text and shown:
            possible.append(text)
            if seen:
                certain.append(text)
    return "".join(certain), "".join(possible)


def _is_hidden(element: etree._Element) -> bool:
    """Does an attribute hide it, from eyes or from ears?"""
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    style = element.get("style")
    return style is not None and hides(style)


@lru_cache(maxsize=1_024)
def hides(style: str) -> bool:
    """Do the declarations of a `style` hide the element from eyes?"""
    return _HIDING.search("".join(style.lower().split())) is not None


def require_once(
    payload: str,
    notice_text: str,
    *,
    channel: str,
    template: str,
    form: Literal["html", "text"] = "html",
    where: str = "",
) -> None:
    """Raises DisclaimerBreach unless the notice stands in `payload` exactly once, in sight. Fail-closed: an empty notice
    raises."""
    wanted = _wanted(notice_text)
    proof = hashlib.sha256(f"{len(notice_text)}:{notice_text}{payload}".encode("utf-8", "surrogatepass")).digest()
    if form == "html" and proof in _counted:
        return
    count = hidden = 0
    if wanted and form == "text":
        count = count_text(payload, notice_text)
    elif wanted:
        certain, possible = _texts(payload)
        count = _folded(possible).count(wanted)
        hidden = count - (count if certain == possible else _folded(certain).count(wanted))
    if count != 1 or hidden:
        raise DisclaimerBreach(channel=channel, template=template, count=count, hidden=hidden, where=where)
    if form == "html":
        if len(_counted) >= _REMEMBERED:
            _counted.clear()
        _counted.add(proof)

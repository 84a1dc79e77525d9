"""A mail as its own style sheets show it: what a rule of theirs hides is hidden where the gate can see it. Pure.

Rules for screens of some kind (`@media`) are taken as if they held everywhere: each reader is to see the notice.
"""

from __future__ import annotations

import re

import css_inline

from syndication.feeds.disclaimers import hides

_SHEET = re.compile(r"<style\b[^>]*>(.*?)</style", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{};]+)\{([^{}]*)\}")


def as_styled(html: str) -> str:
    """The document with each hiding rule of its style sheets written to the elements that it matches. Rules that cannot be read
    hide the whole: fail-closed."""
    sheets = _COMMENT.sub("", "\n".join(_SHEET.findall(html)))
    hiding = [selector.strip() for selector, said in _RULE.findall(sheets) if hides(said)]
    if not hiding:
        return html
    rules = "\n".join(f"{selector} {{ display: none }}" for selector in hiding)
    try:
        inliner = css_inline.CSSInliner(inline_style_tags=False, load_remote_stylesheets=False, extra_css=rules)
        return inliner.inline(html)
    except css_inline.InlineError:
        return f'<div style="display:none">{html}</div>'

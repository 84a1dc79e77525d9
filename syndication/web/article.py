"""A stored body as its own page shows it: tables too wide for a screen scroll by themselves, and by keyboard too. Pure."""

from __future__ import annotations

import html
import re

from syndication.feeds.body import shown_body
from syndication.feeds.view import clean

_TABLE = re.compile(r"<table\b[^<>]*>|</table>")


def page_body(body_html: str, table_label: str) -> str:
    """Images come from where the page does. `table_label` names each table, such as `Table {number}`: several regions of one
    name tell a listener nothing."""
    depth = number = 0

    def table(found: re.Match[str]) -> str:
        nonlocal depth, number
        tag = found[0]
        if tag == "</table>":
            depth -= 1
            return f"{tag}</div>" if depth == 0 else tag
        depth += 1
        if depth > 1:
            return tag
        number += 1
        label = html.escape(table_label.format(number=number))
        return f'<div class="wide" role="region" tabindex="0" aria-label="{label}">{tag}'

    return _TABLE.sub(table, clean(shown_body(body_html, "")))

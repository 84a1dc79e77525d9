"""Which reader takes which kind of file. Pure."""

from __future__ import annotations

from collections.abc import Callable

from syndication.intake.document import Read
from syndication.intake.markdown import read_markdown
from syndication.intake.page import read_html
from syndication.intake.plain import read_plain

FORMS: dict[str, Callable[[str, str], Read]] = {
    ".txt": read_plain,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
}

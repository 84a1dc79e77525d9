"""Jinja2, sandboxed, autoescaped for HTML and XML, strict about missing names; the one place templates are loaded.

`templates/` lies beside the package in a checkout and inside it in a wheel; single files can be overridden by a directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

from syndication.errors import NeedsHuman, SyndicationError

_HERE = Path(__file__).parent
SHIPPED = next((p for p in (_HERE / "templates", _HERE.parent / "templates") if p.is_dir()), _HERE / "templates")


class Renderer:
    """`render(name, **context)` gives text. Raises NeedsHuman that names the template and the line."""

    def __init__(self, override: Path | None = None) -> None:
        loaders: list[BaseLoader] = [FileSystemLoader(override)] if override else []
        self.environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([*loaders, FileSystemLoader(SHIPPED)]),
            undefined=StrictUndefined,
            autoescape=select_autoescape(("html", "xml"), default_for_string=False),
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )

    def render(self, name: str, **context: Any) -> str:
        try:
            return self.environment.get_template(name).render(**context)
        except SyndicationError:
            raise
        except Exception as error:  # a publisher's template may do anything: divide by zero, call what is no function
            line = getattr(error, "lineno", None)
            raise NeedsHuman(
                f"the template cannot be rendered: {_words(error)};",
                where=f"templates/{name}" + (f", line {line}" if line else ""),
                remedy="mend the template or remove the override.",
            ) from error


def _words(error: Exception) -> str:
    said = error.message if isinstance(error, TemplateError) else str(error)
    return said or type(error).__name__

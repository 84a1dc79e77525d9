"""Logs of every process alike: on stderr, one event a line, as text or as JSON, with no password and no secret address."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from syndication.settings import PREFIX, Settings, unknown_names

_SECRET = re.compile(r"(?<=://)([^/@\s:]*):([^/@\s]+)@")
# Who has one of these addresses may do what it is for: read as a partner, confirm, change, leave, read a mail.
_KEYED = re.compile(r"(/(?:partners/c|confirm|preferences|unsubscribe|issues|feeds/key)/)[^/\s\"'?]+")


def without_secrets(text: str) -> str:
    """The text with the password of every address (`scheme://user:password@host`) and every key in a path struck out."""
    return _KEYED.sub(r"\1…", _SECRET.sub(r"\1:…@", text))


def hide_in_access_log() -> None:
    """Keys in paths stay out of the server's access log too, where an operator has switched it on."""
    logging.getLogger("granian.access").addFilter(_hide)


def _hide(record: logging.LogRecord) -> bool:
    def hidden(value: Any) -> Any:
        return without_secrets(value) if isinstance(value, str) else value

    if isinstance(record.args, dict):
        record.args = {name: hidden(value) for name, value in record.args.items()}
    elif isinstance(record.args, tuple):
        record.args = tuple(hidden(value) for value in record.args)
    record.msg = hidden(record.msg)
    return True


def log_to_stderr(settings: Settings, environment: MutableMapping[str, str] | None = None) -> None:
    """Ours from `log_level` on, the libraries' too, but warnings at least. `environment`: say what is unknown in it."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _strike_out,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for ours in ("syndication", "tasks"):
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    for name, _ in unknown_names(environment or {}):
        structlog.get_logger(__name__).warning("no such setting; it is left aside", variable=f"{PREFIX}{name}")


def _strike_out(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = without_secrets(value)
    return event

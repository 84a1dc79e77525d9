"""`syndicate`: one command a noun or a verb, each imported only when it is called, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

# name → (module, attribute, one line for --help). `app` is a group of commands, anything else one command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "up": ("up", "up", "Run everything here: broker, web, workers and beat, until interrupted."),
    "init": ("init", "init", "Make the data directory and bring the ledger's schema up to date."),
    "import": ("importing", "import_", "Read documents and trees into drafts."),
    "preview": ("preview", "preview", "Write an entry's page and mail as they would go out, for your eyes only."),
    "publish": (
        "publishing",
        "publish",
        "Publish entries: to feeds and pages at once, to subscribers by their cadence.",
    ),
    "schedule": ("publishing", "schedule", "Publish an entry at a time to come."),
    "unschedule": ("publishing", "unschedule", "Make a scheduled entry a draft again."),
    "correct": ("publishing", "correct", "Publish the imported change of a published entry."),
    "withdraw": ("publishing", "withdraw", "Take an entry back everywhere."),
    "discard": ("publishing", "discard", "Take away what was never published: a draft, a waiting change."),
    "entries": ("publishing", "entries", "List the entries and how each stands."),
    "rename": ("renaming", "rename", "Give a published entry another address; the old one leads there."),
    "series": ("renaming", "app", "Series: list, rename."),
    "subscribers": ("subscribers", "app", "People: list, show, import, export, end, lift, erase."),
    "digest": ("digest", "app", "Issues: cut, list, show, watch, report, pause, resume, cancel, test."),
    "mail": ("mail", "app", "DKIM keys, and the DNS records that mail needs: key, records."),
    "deliveries": ("deliveries", "app", "Mail: list, explain, show, retry, resolve."),
    "destinations": ("destinations", "app", "Providers that asked for less mail or refuse it: list, release."),
    "why": ("why", "why", "Why this person got this entry, or when they will, or why not."),
    "partners": ("partners", "app", "Partner sites: add, list, show, pulls, rotate, revoke, capability."),
    "feeds": ("feeds", "app", "Feeds: list, add, token, end, lint, diff, check."),
    "hub": ("hub", "app", "WebSub: topics, list, end."),
    "readers": ("readers", "readers", "How many read the feeds through aggregators, as those say."),
    "export": ("export", "export", "Write everything public as a tree of files that nginx or an object store serves."),
    "doctor": ("doctor", "doctor", "What is wrong with this set-up, and how to mend it."),
}


def build(wanted: str | None) -> typer.Typer:
    """The command line with `wanted` imported; the others are there by name for `--help`."""
    whole = typer.Typer(
        help="Publish series of articles to feeds, inboxes and partner sites, the independence disclaimer once in each.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    whole.callback()(_version)
    for name, (module, attribute, line) in COMMANDS.items():
        if name != wanted:
            whole.command(name, help=line)(_unread)
            continue
        found: Any = getattr(import_module(f"syndication.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            whole.add_typer(found, name=name, help=line)
        else:
            whole.command(name, help=_long(found, line))(found)
    return whole


def main(arguments: list[str] | None = None) -> None:
    """The entry point. An error of ours is told in words with its remedy; the exit status is 1."""
    from syndication.cli.output import fail
    from syndication.errors import SyndicationError

    arguments = sys.argv[1:] if arguments is None else arguments
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    try:
        build(wanted)(arguments, prog_name="syndicate")
    except SyndicationError as error:
        fail(error)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` closed it; nobody needs the rest
        raise SystemExit(141) from None
    except Exception as error:
        from syndication.cli.trouble import in_words

        known = in_words(error)
        if known is None:
            raise  # a fault of this program: its trace is what a report needs
        fail(known)


def _long(command: Callable[..., Any], line: str) -> str:
    return (command.__doc__ or line).strip()


def _unread() -> None:
    """Stands for a command that was not called."""


def _say_version(asked: bool) -> None:
    if asked:
        from syndication import __version__

        typer.echo(__version__)
        raise typer.Exit


def _version(
    _: bool = typer.Option(False, "--version", is_eager=True, callback=_say_version, help="Say the version and leave."),
) -> None:
    """Options that stand before a command."""


if __name__ == "__main__":
    main()

"""`syndicate mail`: keys that sign, and the DNS records that mail needs."""

from __future__ import annotations

from typing import Annotated

import typer

from syndication.cli.output import AsJson, emit, say, settings, state

app = typer.Typer(no_args_is_help=True, help="DKIM keys, and the DNS records that mail needs: key, records.")


@app.command()
def key(
    selector: Annotated[str, typer.Argument(help="Its name in the DNS, such as s2026a; never used again.")],
    kind: Annotated[str, typer.Option(help="rsa or ed25519.")] = "rsa",
    as_json: AsJson = False,
) -> None:
    """Make a DKIM key in the data directory. Publish its record before mail is signed with it: `syndicate mail records`."""
    from syndication.errors import BadInput
    from syndication.mail import keys

    if kind not in {"rsa", "ed25519"}:
        raise BadInput(f"{kind!r} is no kind of key;", remedy="write rsa or ed25519.")
    found = settings()
    path = keys.make(found.data_dir / "dkim", selector, "rsa" if kind == "rsa" else "ed25519")
    pair = f"{selector}={path.relative_to(found.data_dir)}"
    setting = f"SYNDICATION_DKIM_KEYS={','.join(filter(None, (found.dkim_keys, pair)))}"
    if as_json:
        emit({"path": str(path), "setting": setting}, True)
        return
    behind = ", behind the others until that is there" if found.dkim_keys else ""
    say(f"{path} is made. Publish its record, which `syndicate mail records` has, and set it{behind}:")
    say(setting)


@app.command()
def records(as_json: AsJson = False) -> None:
    """The DNS records to publish (SPF, DKIM, DMARC, bounce domain), and which of them are there.

    A key that was made and is not set yet has its record among them.
    """
    from syndication.ledger.lookup import the_publication
    from syndication.mail import keys
    from syndication.mail.records import standing, wanted

    wiring = state()
    with wiring.db.reading() as session:
        mail_from = the_publication(session).mail_from
    made = ",".join(filter(None, (wiring.settings.dkim_keys, *keys.unset(wiring.settings))))
    rows = [
        {"about": one.record.about, "name": one.record.name, "type": one.record.type, "value": one.record.value,
         "state": one.state, "found": one.found}
        for one in standing(wanted(wiring.settings.model_copy(update={"dkim_keys": made}), mail_from, wiring.base_url))
    ]  # fmt: skip
    if as_json:
        emit(rows, True)
        return
    for row in rows:
        say(f"{row['about']}, {row['state']}\n  {row['name']}. {row['type']} {row['value']}")

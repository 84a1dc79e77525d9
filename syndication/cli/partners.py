"""`syndicate partners`: add, list, show, pulls, rotate, revoke, capability."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from syndication.cli.output import AsJson, emit, say, state

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The partner's name or number.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The site.")],
    series: Annotated[
        list[str] | None, typer.Option(help="A series they may pull, by slug; give it once for each. None: all.")
    ] = None,
    licence: Annotated[str, typer.Option(help="What was agreed: a sentence, or the address of a licence.")] = "",
    as_json: AsJson = False,
) -> None:
    """A partner site; prints its token, this once."""
    from syndication.feeds.owing import render_owed
    from syndication.ledger.lookup import the_publication
    from syndication.partners import keys

    wiring = state()
    with wiring.db.transaction() as session:
        made = keys.add(session, the_publication(session), name, series or (), licence=licence)
        record = _record(session, made.partner)
    render_owed(wiring.db, wiring.base_url)
    if as_json:
        emit({**record, "token": made.token, "feed": f"{wiring.base_url}/partners/v1/feed.rss"}, True)
        return
    emit(record)
    _hand_over(wiring.base_url, made.partner.name, made.token)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Partners, and when each pulled last."""
    from sqlalchemy import select

    from syndication.ledger.tables import Partner

    with state().db.reading() as session:
        rows = [_record(session, partner) for partner in session.scalars(select(Partner).order_by(Partner.name))]
    emit(rows, as_json)


@app.command()
def show(name: Name, limit: Limit = 50, as_json: AsJson = False) -> None:
    """One partner with its newest pulls."""
    from syndication.partners import keys

    with state().db.reading() as session:
        partner = keys.partner_named(session, name)
        record = _record(session, partner)
        pulls = _pulls(session, partner.id, limit)
    if as_json:
        emit({**record, "pulls": pulls}, True)
        return
    emit(record)
    emit(pulls)


@app.command()
def pulls(
    name: Annotated[str, typer.Argument(help="The partner's name or number; left out: everybody's.")] = "",
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """Every pull: when, what, which revisions (named in --json), how much; refused ones too."""
    from syndication.partners import keys

    with state().db.reading() as session:
        partner = keys.partner_named(session, name) if name else None
        rows = _pulls(session, partner.id if partner else None, limit)
    emit(rows, as_json, columns=("at", "partner", "what", "status", "bytes", "texts"))


@app.command()
def rotate(
    name: Name,
    keep_old_hours: Annotated[
        float, typer.Option(min=0, max=24 * 90, help="How long the old token works on; 0 ends it now.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """A new token for a partner; prints it, this once."""
    from syndication.partners import keys

    wiring = state()
    with wiring.db.transaction() as session:
        partner = keys.partner_named(session, name)
        token = keys.rotate(partner, timedelta(hours=keep_old_hours))
        record = _record(session, partner)
    if as_json:
        emit({**record, "token": token}, True)
        return
    _hand_over(wiring.base_url, partner.name, token)


@app.command()
def revoke(name: Name, as_json: AsJson = False) -> None:
    """Take every key of a partner back, at once and for good. The record and its pulls stay."""
    from syndication.partners import keys

    with state().db.transaction() as session:
        partner = keys.partner_named(session, name)
        keys.revoke(partner)
        record = _record(session, partner)
    if as_json:
        emit(record, True)
    else:
        say(f"{partner.name} is revoked.")


@app.command()
def capability(
    name: Name, off: Annotated[bool, typer.Option("--off", help="Switch it off.")] = False, as_json: AsJson = False
) -> None:
    """A secret address for importers that take only a URL; prints it, this once. A new one ends the old one."""
    from syndication.partners import keys

    wiring = state()
    with wiring.db.transaction() as session:
        partner = keys.partner_named(session, name)
        secret = keys.switch_capability(partner, not off)
    address = f"{wiring.base_url}/partners/c/{secret}/feed.rss" if secret else None
    if as_json:
        emit({"name": partner.name, "capability": bool(secret), "feed": address}, True)
    elif address:
        say(address)
        say(
            "Who has this address can read: send it as you would a password. feed.atom, feed.json and entries lie beside it."
        )
    else:
        say(f"{partner.name} has no capability address.")


def _hand_over(base_url: str, name: str, token: str) -> None:
    say(f"\nToken of {name}, shown this once:\n\n    {token}\n")
    say(f"For them: {base_url}/partners/docs. To try it:")
    say(f"    curl -H 'Authorization: Bearer {token}' {base_url}/partners/v1/feed.rss")


def _record(session: Any, partner: Any) -> dict[str, Any]:
    from sqlalchemy import func, select

    from syndication.ledger.tables import Pull, Series

    slugs = session.scalars(select(Series.slug).where(Series.id.in_(partner.series_ids)).order_by(Series.slug))
    return {
        "id": partner.id,
        "name": partner.name,
        "series": list(slugs) or ["all"],
        "licence": partner.licence,
        "capability": partner.capability_hash is not None,
        "created_at": partner.created_at,
        "revoked_at": partner.revoked_at,
        "last_pull": session.scalar(select(func.max(Pull.at)).where(Pull.partner_id == partner.id)),
    }


def _pulls(session: Any, partner_id: int | None, limit: int) -> list[dict[str, Any]]:
    from sqlalchemy import select

    from syndication.ledger.tables import Partner, Pull

    query = select(Pull, Partner.name).join(Partner).order_by(Pull.at.desc(), Pull.id.desc()).limit(limit)
    if partner_id is not None:
        query = query.where(Pull.partner_id == partner_id)
    return [
        {
            "at": pull.at, "partner": name, "what": pull.what, "status": pull.status, "bytes": pull.bytes,
            "texts": pull.texts, "revisions": pull.revisions,
        }
        for pull, name in session.execute(query)
    ]  # fmt: skip

"""Keep one document in the ledger: which entry it is, and what becomes of its text. One call is part of one transaction.

Identity: an explicit `id`, else the path relative to publication.toml, else the hash of the source. A document whose old path
is gone keeps its entry by its hash; one that moved *and* changed is a new entry, with a warning, unless `--as` names the old.
What the ledger has already is left alone, also where a person has scheduled or renamed it since.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from syndication import clock
from syndication.content import EntryDraft
from syndication.errors import BadInput
from syndication.intake.once_more import Meanwhile
from syndication.intake.report import Imported
from syndication.ledger import former
from syndication.ledger.content import Draft, Entry, Media, Publication, Revision, Series
from syndication.ledger.db import ledger_now
from syndication.ledger.lookup import entry_named
from syndication.press import touch
from syndication.publishing import mint_tag, schedule
from syndication.renaming import rename_entry

_TWINS = 50  # entries of one title that are looked through for one whose document is gone


@dataclass
class Keeping:
    """One document to keep. `root`: the tree it lies in, None for a lone file; `named`: what `--as` says."""

    session: Session
    draft: EntryDraft
    series: Series
    root: Path | None
    named: str | None = None
    taken: Mapping[int, str] = field(default_factory=dict)  # entry id → the document that this import has kept it from
    warnings: list[str] = field(default_factory=list)

    @property
    def identity(self) -> str:
        if self.draft.identity:
            return f"id:{self.draft.identity}"
        return path_identity(self.draft.source) if self.root else f"hash:{self.draft.source_hash}"


def path_identity(source: str) -> str:
    """The same for a tree that lies on macOS, which may write ä as two characters, and elsewhere."""
    return f"path:{unicodedata.normalize('NFC', source)}"


def keep(work: Keeping) -> Imported:
    """Raises BadInput, NotFound (`--as`) or Conflict; then nothing of the document may be committed."""
    session, draft, series = work.session, work.draft, work.series
    publication = session.get_one(Publication, series.publication_id)
    entry = _named(work, publication) if work.named else _known(work, publication)
    act = "unchanged"
    if entry is None:
        _free(work)
        entry = Entry(
            publication_id=publication.id, series_id=series.id, identity=work.identity, slug=draft.slug, part=draft.part,
            tag_uri=_new_tag(session, publication, work.identity), created_at=clock.now(),
        )  # fmt: skip
        session.add(entry)
        session.flush()
        act = "created"
    else:  # so that a publish at this moment is either seen or waits
        session.scalars(
            select(Entry)
            .where(Entry.id == entry.id)
            .with_for_update(of=Entry)
            .execution_options(populate_existing=True)
        ).one()
    waiting = session.get(Draft, entry.id)
    current = waiting or entry.revision
    if current is None or current.source_hash != draft.source_hash:
        _alone(work, entry)
        if waiting is not None and entry.revision is not None and entry.revision.source_hash == draft.source_hash:
            session.delete(waiting)  # back to what is published
            act = "changed"
        else:
            _redraft(session, entry, waiting, draft)
            act = act if act == "created" else "waiting" if entry.revision is not None else "changed"
    entry.identity = work.identity
    if entry.state in ("draft", "scheduled"):
        _place(work, entry)
        if act != "unchanged":
            _time(work, entry)
    elif act != "unchanged":
        _settle(work, entry, publication)
    session.flush()
    return Imported(entry.id, act, entry.series.slug, entry.slug, draft.content.title, draft.source)


def _alone(work: Keeping, entry: Entry) -> None:
    """Two documents of one import with one identity and different texts would take turns in one entry."""
    source = work.draft.source
    if (twin := work.taken.get(entry.id, source)) != source:
        raise BadInput(
            f"this document and {twin} are one entry ({work.identity});",
            where=source,
            remedy="give it an `id` of its own, or take one of the two away.",
        )


def _named(work: Keeping, publication: Publication) -> Entry:
    """The entry that `--as` names, by its explicit id or as everywhere else. A draft made of this document before goes."""
    session, named = work.session, work.named or ""
    mine = select(Entry).where(Entry.publication_id == publication.id)
    entry = session.scalars(mine.where(Entry.identity == f"id:{named}")).first() or entry_named(session, named)
    other = session.scalars(mine.where(Entry.identity == work.identity, Entry.id != entry.id)).first()
    if other is None:
        return entry
    if other.revision is not None:
        raise BadInput(
            f"this document is the published entry {other.series.slug}/{other.slug} already;",
            where=work.draft.source,
            remedy=f"withdraw one of the two; entry {entry.id} was left as it is.",
        )
    work.warnings.append(f"entry {other.id}, made of this document before and never published, was taken away")
    draft = session.get(Draft, other.id)
    if draft is not None:
        session.delete(draft)
        session.flush()
    session.delete(other)
    session.flush()
    return entry


def _known(work: Keeping, publication: Publication) -> Entry | None:
    session, draft = work.session, work.draft
    mine = select(Entry).where(Entry.publication_id == publication.id)
    entry = session.scalars(mine.where(Entry.identity.in_(_identities(work)))).first()
    if entry is not None:
        return entry
    if draft.identity:  # an `id` that the document did not have before
        return session.scalars(mine.where(Entry.identity == path_identity(draft.source))).first() if work.root else None
    as_draft = select(Draft.entry_id).where(Draft.source_hash == draft.source_hash)
    as_published = select(Revision.entry_id).where(Revision.source_hash == draft.source_hash)
    same_bytes = mine.where(Entry.id.in_(as_draft.union(as_published)), Entry.identity.not_like("id:%"))
    for moved in session.scalars(same_bytes.order_by(Entry.id)).unique():
        texts = (session.get(Draft, moved.id), moved.revision)
        if any(t is not None and t.source_hash == draft.source_hash for t in texts) and not still_there(
            moved.identity, work.root
        ):
            return moved
    same_title = (
        select(Entry.id, Entry.slug, Entry.identity)
        .join(Revision, Revision.id == Entry.revision_id)
        .where(Entry.publication_id == publication.id, Revision.title == draft.content.title)
        .where(Entry.identity.not_like("id:%"))
        .limit(_TWINS)
    )
    for twin in session.execute(same_title):
        if not still_there(twin.identity, work.root):
            work.warnings.append(
                f"taken for a new entry; if it is {twin.slug} moved and changed, import it with --as {twin.id}"
            )
            break
    return None


def _identities(work: Keeping) -> list[str]:
    """The document's own; in a series that was renamed, also those of the same file under the folder's other names."""
    folder, _, rest = work.draft.source.partition("/")
    names = [*former.slugs_of(work.session, work.series), work.series.slug]
    if work.root is None or work.draft.identity or not rest or folder not in names:
        return [work.identity]
    others = [path_identity(f"{name}/{rest}") for name in names if name != folder]
    return [work.identity, *(one for one in others if not still_there(one, work.root))]


def still_there(identity: str, root: Path | None) -> bool:
    """Does the document lie where the entry came from? Then another with the same bytes is a copy."""
    kind, _, path = identity.partition(":")
    if kind != "path" or root is None:
        return False
    return (root / path).is_file() or (root / unicodedata.normalize("NFD", path)).is_file()


def _place(work: Keeping, entry: Entry) -> None:
    if (entry.slug, entry.series_id) != (work.draft.slug, work.series.id):
        _free(work)
        entry.slug, entry.series = work.draft.slug, work.series
    entry.part = work.draft.part


def _time(work: Keeping, entry: Entry) -> None:
    at, dated = work.draft.publish_at, work.draft.published_at
    if dated is not None and dated > ledger_now(work.session):
        work.warnings.append("`published` lies in the future and holds nothing back; `publish_at` schedules")
    if at is None:
        if entry.scheduled_at is not None:
            work.warnings.append(f"still scheduled for {entry.scheduled_at.isoformat()}; the document names no time")
    elif at != entry.scheduled_at:
        if at > ledger_now(work.session):
            schedule(work.session, entry, at)
        else:
            work.warnings.append("publish_at has passed; it waits as a draft for `syndicate publish`")


def _settle(work: Keeping, entry: Entry, publication: Publication) -> None:
    """A published entry keeps its address, unless its document says another slug itself: that, and its place in the series, are
    not part of its text and move at once. A slug that it had before moves nothing: it was renamed since."""
    said = work.draft.slug
    place = f"{entry.series.slug}/{entry.slug}"
    if entry.series_id != work.series.id or (entry.slug != said and not work.draft.says_slug):
        work.warnings.append(f"published entries keep their address: it stays {place}")
    elif entry.slug != said and former.entry_at(work.session, entry.series_id, said) is entry:
        work.warnings.append(f"`slug: {said}` is what it was called before; it stays {place}")
    elif entry.slug != said:
        rename_entry(work.session, entry, said, where=work.draft.source)
        work.warnings.append(f"{place} is {entry.series.slug}/{said} now; the old address leads there")
    if entry.part != work.draft.part:
        entry.part = work.draft.part
        touch(work.session, publication.id)


def _free(work: Keeping) -> None:
    draft, series = work.draft, work.series
    taken = former.entry_at(work.session, series.id, draft.slug)
    if taken is not None and taken.identity == work.identity:
        raise Meanwhile(f"{work.identity} was imported meanwhile;")
    if taken is not None:
        raise BadInput(
            f"the slug {draft.slug!r} of series {series.slug} belongs to another entry, or did ({taken.identity});",
            where=draft.source,
            remedy=f"give it a `slug` of its own, or import it with --as {taken.id} if it is that entry.",
        )


def _redraft(session: Session, entry: Entry, waiting: Draft | None, draft: EntryDraft) -> None:
    if waiting is None:
        waiting = Draft(entry_id=entry.id)
        session.add(waiting)
    waiting.content = draft.content.model_dump(mode="json")
    waiting.published_at = draft.published_at
    waiting.source = draft.source
    waiting.source_hash = draft.source_hash
    waiting.imported_at = clock.now()
    for file in draft.media:
        if session.get(Media, file.sha256) is None:
            session.add(
                Media(
                    sha256=file.sha256, ext=file.ext, width=file.width, height=file.height, data=file.data,
                    created_at=clock.now(),
                )
            )  # fmt: skip


def _new_tag(session: Session, publication: Publication, identity: str) -> str:
    """The same document makes the same id in another ledger; a number follows where that id lives on elsewhere."""
    name = hashlib.sha256(identity.encode()).hexdigest()[:16]
    for number in range(100):
        tag = mint_tag(publication, f"entry:{name}" + (f":{number}" if number else ""))
        if session.scalars(select(Entry.id).where(Entry.tag_uri == tag)).first() is None:
            return tag
    raise BadInput(f"{identity} was imported and renamed a hundred times;", remedy="give the document an `id`.")

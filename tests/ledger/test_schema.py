"""The migrations and the models say the same, on both databases, up from empty."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from syndication.errors import NeedsHuman
from syndication.ledger import schema
from syndication.ledger.db import Database
from syndication.ledger.tables import Base


def test_the_migrated_schema_is_the_models(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    assert schema.current(db)


def _shape(db: Database) -> dict[str, object]:
    found = inspect(db.engine)
    shape: dict[str, object] = {}
    for table in found.get_table_names():
        if table != "alembic_version":
            shape[table] = (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)),
                sorted(
                    (
                        str(i["name"]),
                        str(i["column_names"]),
                        i["unique"],
                        [str(o) for o in i["dialect_options"].values()],
                    )
                    for i in found.get_indexes(table)
                ),
                sorted(
                    (str(k["name"]), k["constrained_columns"], str(k["options"])) for k in found.get_foreign_keys(table)
                ),
                sorted(str(sorted(u.items(), key=str)) for u in found.get_unique_constraints(table)),
            )
    return shape


def test_migrations_build_what_the_models_build(db: Database) -> None:
    migrated = _shape(db)
    with db.engine.connect().execution_options(writes=True) as connection, connection.begin():
        if db.is_sqlite:
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
    db.close()
    assert _shape(db) == migrated


@pytest.mark.sqlite_only
def test_the_generated_migration_is_the_committed_one() -> None:
    import ast

    from syndication.ledger.migrations.generate import source

    committed = (schema.MIGRATIONS / "versions" / "0001_initial.py").read_text("utf-8")
    assert ast.dump(ast.parse(committed)) == ast.dump(ast.parse(source())), "run `make migration`"


def test_two_that_upgrade_at_once_do_it_one_after_the_other(tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / 'new.sqlite3'}"] * 2

    def one(url: str) -> bool:
        database = Database(url)
        schema.upgrade(database)
        done = schema.current(database)
        database.close()
        return done

    assert schema.standing(Database(urls[0])) == "empty"
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, urls)) == [True, True]


def test_a_newer_ledger_is_refused_in_words(db: Database) -> None:
    with db.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert not schema.current(db)
    with pytest.raises(NeedsHuman, match="newer version"):
        schema.upgrade(db)

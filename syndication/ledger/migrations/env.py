"""Alembic runs the migrations inside the transaction that `ledger.schema.upgrade` opened."""

from alembic import context

from syndication.ledger.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()

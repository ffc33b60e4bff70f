"""Alembic runs this: migrate on the connection that `service.accounts.state` opened and locked."""

from alembic import context

from service.accounts.state import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()

"""Alembic runs this: migrate on the connection that `service.state.database` opened and locked."""

from alembic import context

from service.state.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()

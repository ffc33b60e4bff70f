"""Answers that are kept, whether a key's are, and what people say of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("keys", sa.Column("store_answers", sa.String(8)))
    op.create_table(
        "answers",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, unique=True),
        sa.Column("key_id", sa.String(32), nullable=False, index=True),
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False, index=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("pinned", sa.Text, nullable=False),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("sampling", sa.JSON, nullable=False),
        sa.Column("choices", sa.JSON, nullable=False),
        sa.Column("usage", sa.JSON, nullable=False),
        sa.Column("answer_metadata", sa.JSON),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, unique=True),
        sa.Column("key_id", sa.String(32), nullable=False, index=True),
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("completion_id", sa.String(64), nullable=False, index=True),
        sa.Column("choice", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("pinned", sa.Text, nullable=False),
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("template", sa.String(64), nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("messages", sa.JSON, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("sampling", sa.JSON, nullable=False),
        sa.Column("rating", sa.Integer),
        sa.Column("correction", sa.Text),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("critical", sa.Boolean, nullable=False),
        sa.Column("siblings", sa.JSON, nullable=False),
    )

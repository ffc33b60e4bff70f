"""What was decided of adapters: by the gate, by persons, by how people rate."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("adapter", sa.String(64), nullable=False, index=True),
        sa.Column("round", sa.Integer),
        sa.Column("what", sa.String(24), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("before", sa.String(128)),
        sa.Column("after", sa.String(128)),
        sa.Column("told", sa.JSON, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )

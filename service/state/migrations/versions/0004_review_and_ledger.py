"""What reviewers decide of feedback, and what was decided of adapters."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of feedback that is there already no question is known to be another one's.
    op.add_column(
        "feedback", sa.Column("question", sa.String(32), nullable=False, server_default="")
    )
    op.execute("UPDATE feedback SET question = substr(id, 1, 32)")
    op.create_index("ix_feedback_question", "feedback", ["question"])
    op.add_column("feedback", sa.Column("edited", sa.Text))
    op.add_column("feedback", sa.Column("reviewer", sa.String(32)))
    op.add_column("feedback", sa.Column("reviewed", sa.BigInteger))
    op.add_column("feedback", sa.Column("side", sa.String(8)))
    op.add_column("feedback", sa.Column("version", sa.String(128)))
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

"""Files, fine-tuning jobs and their events; what a key may have of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LIMITS = ("max_jobs", "training_tokens_per_day", "max_file_bytes")


def upgrade() -> None:
    for name in LIMITS:
        op.add_column("keys", sa.Column(name, sa.BigInteger))
    op.create_table(
        "files",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("key_id", sa.String(32), nullable=False, index=True),
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("num_bytes", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("status_details", sa.Text),
        sa.Column("num_conversations", sa.BigInteger),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False, unique=True),
        sa.Column("key_id", sa.String(32), nullable=False, index=True),
        sa.Column("place", sa.String(32), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("suffix", sa.String(64)),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("training_file", sa.Text, nullable=False),
        sa.Column("validation_file", sa.Text),
        sa.Column("method", sa.JSON, nullable=False),
        sa.Column("hyperparameters", sa.JSON),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("job_metadata", sa.JSON),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("finished", sa.BigInteger),
        sa.Column("estimated_finish", sa.BigInteger),
        sa.Column("step", sa.BigInteger, nullable=False),
        sa.Column("num_steps", sa.BigInteger),
        sa.Column("num_starts", sa.BigInteger, nullable=False),
        sa.Column("trained_tokens", sa.BigInteger),
        sa.Column("version", sa.String(128)),
        sa.Column("fine_tuned_model", sa.String(128)),
        sa.Column("result_files", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("has_leftovers", sa.Boolean, nullable=False),
    )
    op.create_table(
        "job_events",
        sa.Column("job_id", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.JSON),
    )
    op.create_index("job_events_key", "job_events", ["job_id", "key"], unique=True)

"""The tables of the service's state. All times are Unix seconds."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()
KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the key, in hex
    Column("ending", String(4), nullable=False),  # its last characters, for a person to know it by
    Column("scopes", JSON, nullable=False),
    Column("adapters", JSON(none_as_null=True)),  # null: all
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("max_jobs", BigInteger),  # that wait or run at once
    Column("training_tokens_per_day", BigInteger),
    Column("max_file_bytes", BigInteger),  # of all its files together
    Column("store_answers", String(8)),  # off, asked, all; null: as the server has it
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
)
# A name may be given again once its key is revoked.
Index(
    "keys_name",
    KEYS.c.name,
    unique=True,
    sqlite_where=KEYS.c.revoked.is_(None),
    postgresql_where=KEYS.c.revoked.is_(None),
)
USAGE = Table(
    "usage",
    METADATA,
    Column("key_id", String(32), primary_key=True),  # "": asked without a key
    Column("model", String(512), primary_key=True),
    Column("day", String(10), primary_key=True),  # 2026-01-31, UTC
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
)
FILES = Table(
    "files",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("key_id", String(32), nullable=False, index=True),  # whose it is; "": nobody's key
    Column("place", String(32), nullable=False),  # the home that has its content
    Column("filename", Text, nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("num_bytes", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),  # uploaded, processed, error
    Column("status_details", Text),
    Column("num_conversations", BigInteger),  # null: not known, or not checked yet
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
)
JOBS = Table(
    "jobs",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # in the order in which they came
    Column("key_id", String(32), nullable=False, index=True),  # whose it is; "": nobody's key
    Column("place", String(32), nullable=False),  # the home that it runs in
    Column("source", String(16), nullable=False),  # api, terminal
    Column("status", String(24), nullable=False),
    Column("model", Text, nullable=False),  # as asked for
    Column("name", String(64), nullable=False),  # of the adapter
    Column("suffix", String(64)),
    Column("seed", BigInteger, nullable=False),
    Column("training_file", Text, nullable=False),  # a file's id; a terminal's: its path
    Column("validation_file", Text),
    Column("method", JSON, nullable=False),  # as asked for
    Column("hyperparameters", JSON(none_as_null=True)),  # as resolved; null: not yet
    Column("options", JSON, nullable=False),  # of the run: a TrainConfig's
    Column("job_metadata", JSON(none_as_null=True)),
    Column("run", Text, nullable=False),  # its folder below the home, or an absolute path
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    Column("estimated_finish", BigInteger),
    Column("step", BigInteger, nullable=False),  # done so far
    Column("num_steps", BigInteger),
    Column("num_starts", BigInteger, nullable=False),  # since it last did a step
    Column("trained_tokens", BigInteger),
    Column("version", String(128)),  # name@number, once it is made
    Column("fine_tuned_model", String(128)),  # the same, once it has answered
    Column("result_files", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),  # code, message, param
    Column("has_leftovers", Boolean, nullable=False),  # what it made is to be removed
)
JOB_EVENTS = Table(
    "job_events",
    METADATA,
    Column("job_id", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),  # in the order in which they came
    Column("key", String(64), nullable=False),  # what a resumed job would tell again
    Column("created", BigInteger, nullable=False),
    Column("level", String(8), nullable=False),  # info, warn, error
    Column("kind", String(16), nullable=False),  # message, metrics
    Column("message", Text, nullable=False),
    Column("data", JSON(none_as_null=True)),
)
Index("job_events_key", JOB_EVENTS.c.job_id, JOB_EVENTS.c.key, unique=True)
ANSWERS = Table(
    "answers",
    METADATA,
    Column("id", String(64), primary_key=True),  # the completion's
    Column("number", BigInteger, nullable=False, unique=True),  # in the order in which they came
    Column("key_id", String(32), nullable=False, index=True),  # whose it is; "": nobody's key
    Column("place", String(32), nullable=False),  # the home whose versions answered
    Column("created", BigInteger, nullable=False, index=True),
    Column("model", Text, nullable=False),  # as asked for
    Column("pinned", Text, nullable=False),  # the exact versions that answered
    Column("base", Text, nullable=False),
    Column("template", String(64), nullable=False),  # SHA-256 of the chat template, in hex
    Column("user", Text),  # whom the client answered, as it calls them
    Column("messages", JSON, nullable=False),  # in OpenAI's shape
    Column("asked", JSON, nullable=False),  # tools, tool_choice, response_format
    Column("sampling", JSON, nullable=False),  # as it was done
    Column("choices", JSON, nullable=False),
    Column("usage", JSON, nullable=False),
    Column("answer_metadata", JSON(none_as_null=True)),
)
LEDGER = Table(
    "ledger",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # as they came
    Column("place", String(32), nullable=False),  # the home whose adapter it is
    Column("created", BigInteger, nullable=False),
    Column("adapter", String(64), nullable=False, index=True),
    Column("round", Integer),  # of the adapter's improvements; null: of none
    Column("what", String(24), nullable=False),
    Column("who", String(64), nullable=False),  # a key's id; "": nobody's key
    Column("before", String(128)),  # name@number that was promoted
    Column("after", String(128)),  # name@number that it is about
    Column("told", JSON, nullable=False),  # reasons, numbers, hashes
    Column("sha256", String(64), nullable=False),  # of all this and of the entry before, in hex
)
FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("id", String(40), primary_key=True),
    Column("number", BigInteger, nullable=False, unique=True),  # in the order in which they came
    Column("key_id", String(32), nullable=False, index=True),  # whose it is; "": nobody's key
    Column("place", String(32), nullable=False),  # the home whose versions answered
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("completion_id", String(64), nullable=False, index=True),
    Column("choice", Integer, nullable=False),
    Column("model", Text, nullable=False),  # as asked for
    Column("pinned", Text, nullable=False),  # the exact versions that answered
    Column("base", Text, nullable=False),
    Column("template", String(64), nullable=False),  # SHA-256 of the chat template, in hex
    Column("user", Text),
    Column("messages", JSON, nullable=False),  # in OpenAI's shape, the answer left out
    Column("answer", JSON, nullable=False),  # its message and finish_reason
    Column("asked", JSON, nullable=False),
    Column("sampling", JSON, nullable=False),
    Column("rating", Integer),  # -1, 0, 1
    Column("correction", Text),  # the whole answer as it should have been
    Column("reasons", JSON, nullable=False),
    Column("note", Text),
    Column("critical", Boolean, nullable=False),
    Column("siblings", JSON, nullable=False),  # other answers to the same question, by their ids
    Column("question", String(32), nullable=False, server_default="", index=True),  # its digest
    Column("edited", Text),  # the answer as the reviewer has written it
    Column("reviewer", String(32)),  # a key's id; "": nobody's key; null: not reviewed
    Column("reviewed", BigInteger),
    Column("side", String(8)),  # of the training set: trained, held_out; null: in none yet
    Column("version", String(128)),  # name@number that was trained on it, once promoted
)

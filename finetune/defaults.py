"""What is meant where nobody says anything; imports nothing, for a quick --help."""

DEFAULT_BASE = "smollm2-135m"

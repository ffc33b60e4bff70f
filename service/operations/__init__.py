"""What keeps a server standing: limits, a graceful end, logs, metrics."""

"""What a job's own process does."""

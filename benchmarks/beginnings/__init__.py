"""What it saves, and what it changes, to compute common beginnings once."""

"""The loop at a terminal: a round of an adapter's improvement, and the ledger."""

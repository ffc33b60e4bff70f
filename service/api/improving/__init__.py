"""An adapter's improvement and the ledger, over the API."""

"""Training that goes on from an adapter: what it is, and what becomes of its rows."""

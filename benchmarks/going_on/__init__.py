"""What going on from an adapter with a few corrections costs."""

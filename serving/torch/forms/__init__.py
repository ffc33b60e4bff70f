"""The forms that a base can be computed in: its numbers, its code, and the fastest one here."""

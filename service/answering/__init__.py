"""What stands around the engine: limits, counts, and what a caller may use.

Knows nothing of JSON shapes.
"""

"""A job on its way through the engine: whether it may, how long it may take, what it costs.

Knows nothing of JSON shapes.
"""

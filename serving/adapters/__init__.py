"""Which adapters a name means, where they are on disk, and which are in memory.

Knows nothing of tensors: what is in memory belongs to an engine.
"""

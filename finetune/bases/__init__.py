"""Base models: where a name leads, which base an adapter belongs to, what a GGUF file holds.

Knows nothing of adapters' folders, of training, or of measuring.
"""

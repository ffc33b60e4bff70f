"""Adapter folders: names and versions, their cards and weights, PEFT's files, the same as GGUF.

Knows nothing of how an adapter was trained or measured.
"""

"""Adapter folders: names and versions, their cards, PEFT's files, and the same as GGUF.

Knows nothing of how an adapter was trained or measured.
"""

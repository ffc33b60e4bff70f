"""Bytes to conversations in one direction, with every fault by file, line and field.

Knows nothing of tokens, of what is suspicious, or of what the conversations are for.
"""

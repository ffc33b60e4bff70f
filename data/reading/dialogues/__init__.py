"""Dialogues as text: which line begins a turn, which belongs to one, and which to none.

Knows nothing of files: lines come from `reader`.
"""

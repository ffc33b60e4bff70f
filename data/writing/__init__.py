"""Conversations to text by a chat template, and what of that text is the template's own.

Knows nothing of training: which tokens are trained, `chat` says.
"""

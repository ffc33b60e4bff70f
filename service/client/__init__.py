"""A server seen from outside: the terminal chat, streams as they arrive, a model that drafts.

Knows the server by HTTP, and by the entry that it leaves in home.
"""

"""The server's database: its tables, and how they came to be.

Knows nothing of what the rows mean.
"""

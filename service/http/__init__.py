"""What every endpoint stands behind: who is let in, how much is read, how a connection ends.

Knows nothing of what an endpoint answers.
"""

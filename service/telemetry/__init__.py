"""What is told of requests to whoever operates the server: records, metrics, logs.

Knows nothing of routes or of what was asked.
"""

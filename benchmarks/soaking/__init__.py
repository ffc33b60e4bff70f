"""A server at full load for a long time, while adapters come and go.

It knows the server by its API and its process alone.
"""

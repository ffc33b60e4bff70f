"""Adapters as other programs take them, and as they come from there.

Knows nothing of training runs, but for the rows that a merged model is measured on.
"""

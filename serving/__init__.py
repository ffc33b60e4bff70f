"""Engines: many adapters and many requests on one base model, and the store of adapters.

Knows nothing of HTTP or of any API's JSON shapes.
"""

"""What the service costs when the engine computes nothing.

Knows nothing of models or adapters.
"""

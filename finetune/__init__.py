"""Base models, adapter folders, training, evaluation and its report.

Knows nothing of HTTP or of serving many adapters at once.
"""

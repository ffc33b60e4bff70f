"""How fast a large file is checked, and in how much memory.

Knows nothing of models.
"""

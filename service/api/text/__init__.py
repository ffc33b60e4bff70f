"""Text completions: what is asked, and what is answered.

Knows nothing of chat templates or tools.
"""

"""Chat completions: what is asked, what of an answer is a tool call, what is answered.

Knows nothing of text completions.
"""

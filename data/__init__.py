"""Questions and answers as people have them: read, checked, split, and rendered to token ids.

Knows nothing of torch, models or HTTP: a tokenizer is something it is handed.
"""

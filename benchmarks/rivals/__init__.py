"""Other servers of LoRA adapters, as processes.

Knows nothing of what they are asked.
"""

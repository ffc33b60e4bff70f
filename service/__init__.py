"""The HTTP service with OpenAI's shapes, the terminal chat and the `lora-chat` command.

Knows nothing of tensors: an engine is something it is handed.
"""

"""What every engine does with a request: who waits, the next token, text that may be sent.

Knows nothing of how logits are computed: neither torch nor llama.cpp.
"""

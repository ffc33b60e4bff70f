"""The torch engine's forward pass as compiled code: found or compiled, bound, and handed data.

Knows nothing of requests: a step's tensors go in, logits come out. The C++ is in `cpp/`,
which holds nothing else: all files there make the compiled code's name.
"""

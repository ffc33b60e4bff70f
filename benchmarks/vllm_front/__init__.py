"""What the service costs before a vLLM server that answers at once.

Knows nothing of torch or tensors: nobody computes anything here.
"""

"""Our llama.cpp engine beside llama-server: what both are asked, and what is to be reached.

Knows nothing of other servers.
"""

"""Our server beside others, and our batch on a GPU.

Knows the servers by their HTTP alone.
"""

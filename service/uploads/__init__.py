"""Files that come as the body of a request: a form part by part, to a disk that may be full.

Knows nothing of what the files are.
"""

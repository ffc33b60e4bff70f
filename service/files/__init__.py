"""Files for training and of it: kept, checked in a process of their own, and found again.

Knows nothing of HTTP.
"""

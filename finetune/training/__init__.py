"""One run: its options, its rows, the loop, and the folder that it leaves.

Knows nothing of what is measured afterwards or of adapters' reports.
"""

"""Training in NF4: our trainer and plain PEFT on the same rows, and what is measured.

Knows nothing of which base is trained, or of how it was made.
"""

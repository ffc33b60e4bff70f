"""What can be said of conversations before anything is trained on them, and its report.

Knows nothing of file formats: conversations and faults come from `reading`.
"""

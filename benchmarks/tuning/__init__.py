"""Our fine-tuning beside other tools': the same rows, each tool in an environment of its own.

`task`, `steps` and the tools' own modules run in foreign environments too, each tool as a process:
they import nothing of this project but each other.
"""

"""Learning from which answers people like: a second stage behind the training on examples.

What is trained knows nothing of it: it is given a judge, which weighs rows, and rows.
"""

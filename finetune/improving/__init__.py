"""What corrections come to: the next training set, and whether its adapter is better.

Light: nothing here imports torch before it is used.
"""

"""Servers of many adapters, one after the other on one GPU, within the minutes of a sitting.

Knows nothing of how adapters are trained.
"""

"""Bases of the sizes that people use, with random weights: loading, memory, speed and training.

Knows servers and trainings as processes alone; what they are compared with are bare loops.
"""

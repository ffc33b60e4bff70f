"""What a training step computes, in less time and memory than plain PEFT takes.

Knows nothing of steps, runs or configurations.
"""

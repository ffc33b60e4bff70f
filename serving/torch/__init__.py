"""The torch engine: requests of any adapters and blends in one batch, on a CPU or a GPU.

Knows nothing of HTTP, nor of how a model's name became adapters. `import torch` means the
library here as everywhere.
"""

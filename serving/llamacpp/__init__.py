"""The llama.cpp engine: GGUF bases, for one person on a CPU or a Mac.

One model in memory; for every set of adapters that is asked for, a context of its own with its own
keys and values, so that switching costs nothing and no set reads another's memory. Within a set
requests are batched; between sets they take turns.
"""

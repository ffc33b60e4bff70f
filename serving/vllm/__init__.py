"""The vLLM engine: servers of vLLM compute, this process keeps names, versions, keys and templates.

Adapters are pushed to a server under names that are never used again, proven to answer as they
should, and only then asked for.
"""

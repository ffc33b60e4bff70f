"""Measures lora-chat beside other servers of LoRA adapters; no part of what is installed.

Knows the others by their command lines and their HTTP alone.
"""

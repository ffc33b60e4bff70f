"""Completions that were stored, as OpenAI's clients ask for them."""

"""Which way of grouping questions finds the topics that a person sees in them."""

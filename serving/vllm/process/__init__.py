"""A vLLM of our own on this machine: started, watched, started again, and surely ended."""

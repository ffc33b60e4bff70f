"""The loop: reviewed feedback becomes a candidate, and it ships only if it is better."""

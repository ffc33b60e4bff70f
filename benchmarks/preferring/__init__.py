"""Parts of `benchmarks.preference`: what is corrected, what is trained, and the page."""

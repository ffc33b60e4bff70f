"""The web page: static files in `static`, and what sends them.

The page itself knows nothing but the public API. Its files need no build step and nothing from
elsewhere.
"""

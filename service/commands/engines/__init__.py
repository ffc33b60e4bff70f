"""The servers that compute for a running one, as a person at a terminal sees and drains them."""

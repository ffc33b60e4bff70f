"""What files are: by their first bytes, by their names, and by what lies beside them."""

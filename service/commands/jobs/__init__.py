"""Jobs that run elsewhere, as a person at a terminal sees and steers them."""

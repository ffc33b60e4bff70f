"""What is kept of answers, and what people say of them."""

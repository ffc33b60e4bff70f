"""What people say of answers, over the API."""

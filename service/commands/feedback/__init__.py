"""What people say of answers, seen, exported and forgotten at a terminal."""

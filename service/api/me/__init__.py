"""What a key may do, told to whoever has it."""

"""`lora-chat bench`: load on a server, and what it shows."""

"""What a person types after `lora-chat`."""

"""OpenAI's fine-tuning API: jobs are asked for, listed, followed and stopped."""

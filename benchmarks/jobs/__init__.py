"""Fine-tuning jobs and answers on one machine: what each takes from the other."""

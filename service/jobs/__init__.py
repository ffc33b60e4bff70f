"""Fine-tuning jobs: a queue in the database, and a process for each that runs."""

"""OpenAI's endpoints: what is asked, what is answered."""

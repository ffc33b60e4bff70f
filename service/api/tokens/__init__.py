"""/tokenize and /detokenize: the ids of a prompt, and the text of ids."""

"""/v1/files: files for training come in, are listed, checked, read again and deleted."""

"""What weights in four bits cost, beside others' four bits."""

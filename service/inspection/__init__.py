"""A close look at adapters' versions and at the machine, for whoever trains."""

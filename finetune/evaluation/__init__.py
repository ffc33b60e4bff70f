"""What an adapter is worth beside its base, in numbers, in words and in `report.html`.

Knows nothing of where runs are kept or of how adapters are exported.
"""

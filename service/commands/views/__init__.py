"""What commands show at a terminal: tables, findings, plans, and how far they have come."""

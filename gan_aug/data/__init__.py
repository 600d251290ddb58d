"""Data: from photographs and tables of any known layout to a stored dataset, its duplicates and its splits."""

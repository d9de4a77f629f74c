"""Any table whose columns an entry names."""

"""The database: engine, transactions, types, deadlines."""

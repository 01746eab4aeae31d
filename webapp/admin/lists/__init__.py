"""Lists of tenants: what an address asks for, what is selected, and the list as a file."""

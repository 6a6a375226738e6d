"""One script per claim about speed or memory; each prints a table that anyone can make again."""

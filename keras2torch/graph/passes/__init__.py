"""One pass a file; a pass takes a `Graph` and returns facts about it or a changed copy."""

"""Reading a stranger's file: bytes in, one normalised `SourceModel` out."""

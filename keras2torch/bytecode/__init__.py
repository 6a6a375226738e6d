"""Python functions in model files, read as bytes and recognised as expressions; nothing here runs one."""

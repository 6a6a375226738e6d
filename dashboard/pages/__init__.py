"""The pages: HTML made on the server from the same queries as the API; they work without JavaScript."""

"""The API, version 1: one router a noun, typed models in and out, keyset pages."""

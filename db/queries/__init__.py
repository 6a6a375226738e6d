"""Every statement the fleet runs, as plain functions that take a session first.

None of them commits: the caller's transaction decides what happens together.
"""

"""What the fleet remembers: tables, states, and every query that reads or changes them.

SQL is the truth and the broker only a doorbell, so this package must be enough to rebuild every
message. It imports none of the other packages.
"""

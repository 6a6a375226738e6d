"""Finds the structure of a flat program: classes for what repeats and for nested models, stages for runs of them."""

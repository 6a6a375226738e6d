"""From calls and weights to the text of `model.py`."""

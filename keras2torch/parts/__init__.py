"""Tested building blocks for what `torch.nn` lacks; the source of those a model needs is copied into its `model.py`."""

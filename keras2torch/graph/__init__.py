"""The model as a flat graph of layer calls: no file format and no framework in here."""

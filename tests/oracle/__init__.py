"""Independent implementations of layers that no library can be asked about: NumPy, float64, from definitions."""

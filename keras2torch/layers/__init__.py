"""One file per Keras family, one decorated function per layer class: a new layer is one function in one of them."""

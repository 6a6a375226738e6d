"""One file per kind of model; each builder takes the Keras library to use."""

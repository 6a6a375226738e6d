"""The sample zoo: real Keras models, built and saved by Keras itself, so that all can be tried at once.

`python -m samples OUT_DIR` writes one legacy whole-model `.h5` per entry of the catalogue, some by Keras 3,
some by tf_keras (Keras 2), a few of them trained. Two are there to be refused: a zoo has those too.
"""

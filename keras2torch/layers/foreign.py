"""Classes that a file may name and that no module can stand for: bases without a computation of their own, shells
around other programs, and models made of feature columns.
"""

from __future__ import annotations

from keras2torch.layers._registry import ONLY_KERAS3, cannot
from keras2torch.source.model import Generation

_ONLY_TF_KERAS = frozenset({Generation.TF_KERAS})

cannot(
    __name__,
    "Layer",
    "Wrapper",
    reason="a base class that computes nothing itself; what the model computed was in a subclass, which the file "
    "does not hold. Replace it by the layer that was meant",
)
cannot(
    __name__,
    "AbstractRNNCell",
    "BaseRandomLayer",
    "BatchNormalizationBase",
    "_RNNCellWrapper",
    reason="an abstract base class, of which Keras itself makes no layer; name the subclass that was meant",
    generations=_ONLY_TF_KERAS,
)
cannot(
    __name__,
    "Recurrent",
    "ConvRecurrent2D",
    reason="an abstract base class, of which Keras itself makes no layer; name the subclass that was meant",
    generations=frozenset({Generation.KERAS1, Generation.KERAS2}),
)
cannot(
    __name__,
    "TFSMLayer",
    reason="it runs a TensorFlow SavedModel that lies outside the file, at a path the file names; convert the model "
    "that the SavedModel was exported from",
    generations=ONLY_KERAS3,
)
cannot(
    __name__,
    "TorchModuleWrapper",
    reason="it holds a pickled PyTorch module, and unpickling runs code; take that module from its own source",
    generations=ONLY_KERAS3,
)
cannot(
    __name__,
    "JaxLayer",
    "FlaxLayer",
    reason="it calls a JAX function that the file holds as Python bytecode, which is never run; write that function in "
    "PyTorch",
    generations=ONLY_KERAS3,
)
cannot(
    __name__,
    "DenseFeatures",
    "SequenceFeatures",
    reason="it reads a dict of raw features through TensorFlow feature columns, which are outside Keras and may read "
    "vocabulary files; feed the columns' numbers to the layer behind it",
    generations=_ONLY_TF_KERAS,
)
cannot(
    __name__,
    "LinearModel",
    "WideDeepModel",
    reason="a model that is Python code and not a graph, so that the file does not say what it computes; build it from "
    "Dense layers and save that",
    generations=_ONLY_TF_KERAS,
)
cannot(
    __name__,
    "ClassMethod",
    "InstanceMethod",
    "InstanceProperty",
    reason="it reads an attribute or calls a method of a ragged or sparse tensor, and those have no counterpart that a "
    "PyTorch layer takes; feed dense tensors",
    generations=_ONLY_TF_KERAS,
)
cannot(
    __name__,
    "DynamicEmbedding",
    "DynamicLookup",
    reason="its vocabulary grows while it is called and lies in a hash table, which .h5 files do not hold; use "
    "Embedding over fixed ids",
    generations=_ONLY_TF_KERAS,
)

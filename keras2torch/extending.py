"""What a rule for a layer of one's own needs; see docs/custom-layers.md.

The names here stay; the modules they come from may move.
"""

from keras2torch.emit.code import Code, Value, call, index, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation
from keras2torch.weights import Weight

__all__ = [
    "Code",
    "FeatureAxis",
    "Generation",
    "LayerCall",
    "LayerRefused",
    "Masks",
    "UnsupportedOption",
    "Value",
    "Weight",
    "call",
    "converts",
    "example",
    "index",
    "method",
    "template",
]

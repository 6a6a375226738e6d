"""Keras family "lambdas": layers that are a function of the user's own."""

from __future__ import annotations

from keras2torch.emit.code import Value
from keras2torch.errors import UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._lambda import apply_function, check_shape
from keras2torch.layers._registry import Masks, converts, example


@converts(
    "Lambda",
    examples=[
        example((6, 5, 3), function=lambda x: x / 127.5 - 1),
        example(
            (7, 5), function=lambda x, scale, shift=0.25: (1 - x) * scale + shift, arguments={"scale": 3}
        ),
        example((7, 5, 4), function=lambda x: x[:, ::2, -1], output_shape=(4, 4)),
        example((5,), (5,), function=lambda x: abs(x[0] - x[1]) ** 2),
        example((6, 3), function=lambda x: -x, _masked=True),
    ],
    masks=Masks.STOP,
)
def lambda_layer(layer: LayerCall) -> Value:
    """The expression that is read from the function's bytecode, which is never run."""
    options = layer.options
    kind = options.take("function_type", default=None)
    arguments = options.take("arguments", default=None)
    options.ignore("module", "mask_type", "mask_module")
    if options.take("mask", default=None) is not None:
        raise UnsupportedOption("computes a mask with a function of its own", "mask")
    result = apply_function(layer, layer.inputs, options.take("function"), kind, arguments)
    options.ignore("output_shape_module")
    check_shape(
        result, options.take("output_shape", default=None), options.take("output_shape_type", default="raw")
    )
    return result

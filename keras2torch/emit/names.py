"""The one authority over names in the emitted file.

Invariants: a name is a Python identifier; never a keyword, a builtin, an attribute of `nn.Module` or a name the file
itself uses; unique within its scope; and the same for the same sequence of requests.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable

# Attributes of torch.nn.Module (2.13) that a layer name could hide, written down so that naming needs no torch.
_MODULE_ATTRIBUTES = frozenset(
    {
        "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children",
        "compile", "cpu", "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward",
        "get_buffer", "get_extra_state", "get_parameter", "get_submodule", "half", "ipu", "load_state_dict",
        "modules", "mtia", "named_buffers", "named_children", "named_modules", "named_parameters",
        "parameters", "register_backward_hook", "register_buffer", "register_forward_hook",
        "register_forward_pre_hook", "register_full_backward_hook", "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook", "register_module",
        "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
        "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to",
        "to_empty", "train", "training", "type", "xpu", "zero_grad",
    }
)  # fmt: skip
_MIXIN_ATTRIBUTES = frozenset({"from_pretrained", "generate_model_card", "push_to_hub", "save_pretrained"})
_ATTRIBUTES = _MODULE_ATTRIBUTES | _MIXIN_ATTRIBUTES
_FILE_NAMES = frozenset(
    {
        "Callable", "F", "Model", "Path", "PyTorchModelHubMixin", "Tensor", "load_file", "load_model", "math", "nn",
        "self", "torch",
    }
)  # fmt: skip
_RESERVED = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | _FILE_NAMES
_LONGEST = 60
_LONGEST_NUMBERED = 50
"""Of a name that a number follows: what is longer than an identifier may be is cut, number and all."""


class Names:
    """One scope. `reserved` are names that the scope already has."""

    def __init__(self, reserved: frozenset[str] = frozenset()):
        self._taken = set(_RESERVED | reserved)
        self._last: dict[str, int] = {}

    def unique(self, wish: str, fallback: str = "layer") -> str:
        """A free name as near to `wish` as the invariants allow."""
        base = identifier(wish, fallback)
        name, number = base, self._last.get(base, 1)
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._last[base] = number
        self._taken.add(name)
        return name


def numbered(wish: str, is_free: Callable[[str], bool], joint: str = "") -> str:
    """`wish`, or with the first number from 2 behind it that makes it free."""
    name, number = wish, 1
    while not is_free(name):
        number += 1
        name = f"{wish[:_LONGEST_NUMBERED]}{joint}{number}"
    return name


def attribute_names() -> Names:
    """The scope of attributes of the emitted module."""
    return Names(_ATTRIBUTES)


def identifier(wish: str, fallback: str = "layer") -> str:
    """`wish` as a plain identifier: ASCII letters, digits and underscores, a letter first."""
    name = re.sub(r"[^0-9A-Za-z]+", "_", wish[:_LONGEST]).strip("_")
    if not name:
        return fallback
    if name[0].isdigit():
        name = f"{fallback}_{name}"
    return name


def is_free_attribute(name: str) -> bool:
    """Whether an attribute of an emitted module may be called so."""
    return identifier(name) == name and name not in _RESERVED | _ATTRIBUTES


def is_free_class_name(name: str) -> bool:
    """Whether a class of that name may stand in the emitted file."""
    return identifier(name) == name and name not in _RESERVED


_SPELLINGS = {
    spelling.lower(): spelling
    for spelling in (
        "BiGRU", "BiLSTM", "CNN", "ConvNeXt", "DCGAN", "DenseNet", "DNN", "EfficientNet", "GAN", "GRU",
        "InceptionResNet", "LeNet", "LSTM", "MLP", "MnasNet", "MobileNet", "NASNet", "RegNetX", "RegNetY", "ResNet",
        "ResNetRS", "ResNeXt", "RNN", "SqueezeNet", "UNet", "VAE", "VGG",
    )
}  # fmt: skip
"""How people write the names of well-known nets, which Keras keeps in lower case."""
_WIDTH_AND_SIZE = re.compile(r"_[01]\.\d+_\d+$")
"""What `mobilenetv2_1.00_224` says of its channels and images: no part of the name of a class."""


def class_name(wish: str) -> str:
    """PascalCase for the module class; capitals that are there stay, and known nets are spelled as people do:
    `resnet50` is `ResNet50`.
    """
    words = [word for word in re.split(r"[^0-9A-Za-z]+", _WIDTH_AND_SIZE.sub("", wish)[:_LONGEST]) if word]
    name = ""
    for word in map(_pascal, words):
        name += f"_{word}" if name[-1:].isdigit() and word[0].isdigit() else word
    if not name or name[0].isdigit():
        name = f"Model{name}"
    return f"{name}Net" if name in _RESERVED - {"Model"} else name


def _pascal(word: str) -> str:
    known = re.fullmatch(r"([a-z]+?)((?:v?\d|b\d).*)?", word.lower())
    spelling = _SPELLINGS.get(known[1]) if known else None
    if spelling is None:
        return word[0].upper() + word[1:]
    version = word[len(spelling) :]
    return spelling + re.sub(r"(?<![A-Za-z])[a-z]", lambda letter: letter[0].upper(), version)


def is_default_name(name: str) -> bool:
    """Whether Keras named the layer: `conv2d_17` and `dense` say no more than the class does."""
    return re.sub(r"_\d+$", "", name) in _DEFAULTS or name.startswith(("tf.", "tf_op_layer_", "tf_"))


_DEFAULTS = frozenset(
    {
        "activation", "add", "alpha_dropout", "average", "average_pooling1d", "average_pooling2d", "average_pooling3d",
        "averagepooling1d", "averagepooling2d", "batch_normalization", "batchnormalization", "bidirectional",
        "concatenate", "conv1d", "conv1d_transpose", "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose",
        "conv_lstm2d", "convolution1d", "convolution2d", "convolution3d", "cropping1d", "cropping2d", "cropping3d",
        "dense", "depthwise_conv2d", "dot", "dropout", "elu", "embedding", "flatten", "gaussian_dropout",
        "gaussian_noise", "global_average_pooling1d", "global_average_pooling2d", "global_max_pooling1d",
        "global_max_pooling2d", "group_normalization", "gru", "input", "input_layer", "lambda", "layer_normalization",
        "leaky_re_lu", "leakyrelu", "lstm", "masking", "max_pooling1d", "max_pooling2d", "max_pooling3d", "maximum",
        "maxpooling1d", "maxpooling2d", "merge", "multi_head_attention", "multiply", "normalization", "p_re_lu",
        "permute", "prelu", "re_lu", "repeat_vector", "repeatvector", "rescaling", "reshape", "separable_conv1d",
        "separable_conv2d", "simple_rnn", "simplernn", "softmax", "spatial_dropout1d", "spatial_dropout2d",
        "spatial_dropout3d", "subtract", "thresholded_re_lu", "time_distributed", "timedistributed", "up_sampling1d",
        "up_sampling2d", "up_sampling3d", "upsampling2d", "zero_padding1d", "zero_padding2d", "zero_padding3d",
        "zeropadding2d",
    }
)  # fmt: skip


def says_nothing(name: str) -> bool:
    """Whether an input is called so because nobody named it: `input_1`, or `conv2d_input` for a first layer."""
    return is_default_name(name) or is_default_name(name.removesuffix("_input"))

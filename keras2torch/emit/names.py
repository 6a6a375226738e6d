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


def class_name(wish: str) -> str:
    """PascalCase for the module class; capitals that are there stay (`ResNet50` stays `ResNet50`)."""
    words = [word for word in re.split(r"[^0-9A-Za-z]+", wish[:_LONGEST]) if word]
    name = "".join(word[0].upper() + word[1:] for word in words)
    if not name or name[0].isdigit():
        name = f"Model{name}"
    return f"{name}Net" if name in _RESERVED - {"Model"} else name

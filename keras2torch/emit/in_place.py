"""Lets an activation overwrite what nothing else reads, as people write `nn.ReLU(inplace=True)` behind a normalization.

That is a large tensor less to allocate and to fill a layer; `benchmarks.forward` shows what it saves. Not for vectors,
which are small.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from keras2torch.emit.code import Code, ModuleDecl, Statement, Value, render, values_in

_ACTIVATIONS = frozenset({"F.relu", "F.relu6", "F.silu", "F.hardswish"})
YIELDS_ITS_OWN = re.compile(r"nn\.(Conv|ConvTranspose|BatchNorm)[123]d\b")
"""What yields a tensor of its own, which it does not need to go backward."""


def overwrite(
    statements: Sequence[Statement],
    modules: Sequence[ModuleDecl],
    outputs: Sequence[Value],
    is_bound: Callable[[Value], bool],
) -> None:
    """Change activations in `statements`, and in what these hold in place, that may work in place so that they do."""
    reads = Counter(id(value) for statement in statements for value in values_in(statement.code, is_bound))
    reads.update(id(value) for value in outputs)
    own = {
        f"self.{module.name}"
        for module in modules
        if YIELDS_ITS_OWN.match(render(module.code, lambda _: None))
    }

    def is_spare(value: Value) -> bool:
        if value.code is None or value.rank < 3 or (is_bound(value) and reads[id(value)] > 1):
            return False
        first, *rest = value.code.parts
        return first in own or (isinstance(first, Value) and rest[:1] == [" + "])

    def changed(code: Code) -> Code:
        for value in code.values():
            if value.code is not None and not is_bound(value):
                value.code = changed(value.code)
        function, *rest = code.parts
        if function in _ACTIVATIONS and len(rest) == 3 and isinstance(rest[1], Value) and is_spare(rest[1]):
            return Code((*code.parts[:-1], ", inplace=True)"))
        return code

    for statement in statements:
        statement.code = changed(statement.code)

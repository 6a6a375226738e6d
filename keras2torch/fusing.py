"""Batch normalization in the weights of the layer before it: a pass over a program, for modules that only infer.

With a = gamma / sqrt(variance + epsilon), a normalization makes a W x + (beta + (b - mean) a) of W x + b. So a
convolution or a Linear takes it in, where nothing stands between the two and nothing else reads what lies there. The
numbers are computed in float64 while they are written.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from keras2torch.emit.code import Code, ModuleDecl, Statement, Value, values_in
from keras2torch.program import Program
from keras2torch.source.model import Array
from keras2torch.weights import Lookup, Weight

_TAKER = re.compile(r"nn\.(Conv[123]d|ConvTranspose[123]d|Linear)")
_NORMALIZATION = re.compile(r"(nn\.|Frozen|Shifting)BatchNorm[123]d")
_MODULE = re.compile(r"self\.(\w+)")
_CROP = re.compile(r"\[:, :(, :(-\d+)?)+\]")
"""What may follow a transposed convolution, and leaves to every channel its own numbers."""


def fuse_batchnorm(program: Program) -> None:
    """Take every normalization that can be into the layer before it; say so in `fused` and in the warnings."""
    calls = _Calls(program)
    modules = {module.name: module for module in program.modules}
    made = {id(statement.value): statement for statement in program.statements}
    taken: dict[str, str] = {}
    for statement in list(program.statements):
        norm, taker, before = calls.applied_to_result(statement, made)
        if not norm or not taker or not before or not _fit(modules[taker], modules[norm], before.value):
            continue
        _take_in(program, modules[taker], modules[norm])
        # Where the one stood now stands what the other yields.
        before.value = statement.value
        made[id(before.value)] = before
        program.statements.remove(statement)
        taken[norm] = taker
    _leave_out(program, taken)
    program.warnings.append(
        f"--fuse-batchnorm: {len(taken)} of {_count(modules.values())} batch normalizations are in the weights of the "
        "layers before them"
        + (": the model infers as it did, and no longer trains as it did" if taken else "")
    )


def _count(modules: Iterable[ModuleDecl]) -> int:
    return sum(bool(_NORMALIZATION.fullmatch(_constructor(module))) for module in modules)


class _Calls:
    """Which modules a program calls, and who reads what they yield."""

    def __init__(self, program: Program) -> None:
        bound = {id(value) for value in program.inputs}
        bound |= {id(value) for each in program.statements for value in (each.value, *each.also)}
        self._bound = bound
        self._readers = Counter(id(value) for value in program.outputs)
        self._called: Counter[str] = Counter()
        for statement in program.statements:
            self._readers.update(map(id, values_in(statement.code, self._is_bound)))
            self._called.update(self._modules_in(statement.code))

    def applied_to_result(
        self, statement: Statement, made: dict[int, Statement]
    ) -> tuple[str, str, Statement] | tuple[None, None, None]:
        """The module that `statement` calls, the one on whose result it does, and the statement that makes that.

        Only where each is called but once, and nothing else reads the result.
        """
        outer = _only_call(statement)
        argument = statement.code.parts[2] if outer and len(statement.code.parts) == 4 else None
        before = made.get(id(argument))
        inner = _only_call(before, may_crop=True) if before else None
        if not outer or not before or not inner or self._readers[id(argument)] != 1:
            return None, None, None
        alone = self._called[outer] == self._called[inner] == 1
        return (outer, inner, before) if alone else (None, None, None)

    def _is_bound(self, value: Value) -> bool:
        return id(value) in self._bound

    def _modules_in(self, code: Code) -> Iterator[str]:
        for part in code.parts:
            if isinstance(part, str):
                yield from _MODULE.findall(part)
            elif not self._is_bound(part) and part.code is not None:
                yield from self._modules_in(part.code)


def _only_call(statement: Statement, *, may_crop: bool = False) -> str | None:
    """The module whose call is all that a statement does, but that it `may_crop` the result."""
    first, *rest = statement.code.parts
    if may_crop and isinstance(rest[-1], str) and _CROP.fullmatch(rest[-1]):
        rest.pop()
    found = _MODULE.fullmatch(first) if isinstance(first, str) else None
    if found is None or statement.also or statement.pattern != "{}":
        return None
    text = "".join(part if isinstance(part, str) else "_" for part in rest)
    depth = 0
    for position, character in enumerate(text, 1):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return found[1] if position == len(text) else None
    return None


def _constructor(module: ModuleDecl) -> str:
    return str(module.code.parts[0])


def _fit(taker: ModuleDecl, norm: ModuleDecl, between: Value) -> bool:
    """Whether the one can be in the other's weights. A Linear works on the last axis, torch normalises the second."""
    fits = _TAKER.fullmatch(_constructor(taker)) and _NORMALIZATION.fullmatch(_constructor(norm))
    return bool(fits) and (_constructor(taker) != "nn.Linear" or between.rank == 2)


@dataclass(frozen=True)
class _Scale:
    """gamma / sqrt(variance + epsilon), a number an output."""

    gamma: Weight | None
    variance: Weight
    epsilon: float

    def __call__(self, arrays: Lookup) -> Array:
        root = np.sqrt(self.variance.whole(arrays) + self.epsilon)
        return (1.0 if self.gamma is None else self.gamma.whole(arrays)) / root

    @property
    def weights(self) -> list[Weight]:
        return [self.variance] if self.gamma is None else [self.gamma, self.variance]

    def __str__(self) -> str:
        gamma = "gamma" if self.gamma is not None and self.gamma.sources else "1"
        return f"{gamma} / sqrt(moving_variance + {self.epsilon:g})"


def _take_in(program: Program, taker: ModuleDecl, norm: ModuleDecl) -> None:
    state, name = program.state, taker.name
    scale = _Scale(
        state.get(f"{norm.name}.weight"),
        state[f"{norm.name}.running_var"],
        float(_setting(norm.code, "eps") or "nan"),  # which every rule writes
    )
    weight = state[f"{name}.weight"]
    outputs = state[f"{norm.name}.running_var"].shape[0]
    groups = int(_setting(taker.code, "groups") or 1)
    transposed = "Transpose" in _constructor(taker)
    state[f"{name}.weight"] = weight.multiplied(
        _by_input(scale, weight.shape[0], groups) if transposed else scale,
        scale.weights,
        f"times {scale} of each output",
    )
    terms = {
        "bias": state.get(f"{name}.bias"),
        "moving_mean": state[f"{norm.name}.running_mean"],
        "beta": state.get(f"{norm.name}.bias"),
    }
    state[f"{name}.bias"] = _shift(terms, scale, outputs)
    if "bias=" in taker.code.parts:
        at = taker.code.parts.index("bias=")
        taker.code = Code((*taker.code.parts[: at - 1], *taker.code.parts[at + 2 :]))
    trained = program.trained
    trained.setdefault(f"{name}.bias", trained.get(f"{norm.name}.bias", trained[f"{name}.weight"]))


def _by_input(scale: _Scale, inputs: int, groups: int) -> Callable[[Lookup], Array]:
    """The scale for weights (in, out / groups, ...): those of each input are for the outputs of its group."""

    def by_input(arrays: Lookup) -> Array:
        return np.repeat(scale(arrays).reshape(groups, -1), inputs // groups, axis=0)

    return by_input


def _shift(terms: dict[str, Weight | None], scale: _Scale, outputs: int) -> Weight:
    def evaluate(arrays: Lookup) -> list[Array]:
        bias, mean, beta = (0.0 if term is None else term.whole(arrays) for term in terms.values())
        return [beta + (bias - mean) * scale(arrays)]

    used = {name: term for name, term in terms.items() if term is not None and term.sources}
    sources = dict.fromkeys(key for term in (*used.values(), *scale.weights) for key in term.sources)
    moved = f"({'bias' if 'bias' in used else '0'} - moving_mean)"
    step = f"{'beta + ' if 'beta' in used else ''}{moved} * {scale}"
    return Weight(tuple(sources), (outputs,), evaluate, (step,), computed=True)


def _setting(code: Code, name: str) -> str | None:
    """An argument by name of a constructor, as its source has it."""
    parts = code.parts
    return str(parts[parts.index(f"{name}=") + 1]) if f"{name}=" in parts else None


def _leave_out(program: Program, taken: dict[str, str]) -> None:
    """Drop the modules in `taken`, whose work others do now, and what only they had."""
    program.fused = {
        record.path: taken[record.torch_name] for record in program.records if record.torch_name in taken
    }
    program.records = [
        dataclasses.replace(record, torch_name=taken.get(record.torch_name or "", record.torch_name))
        for record in program.records
    ]
    program.modules = [module for module in program.modules if module.name not in taken]
    places = {module.name: place for place, module in enumerate(program.modules)}
    kept = [name for name in program.state if name.partition(".")[0] not in taken]
    # A bias that is new stands beside its weight.
    kept.sort(key=lambda name: places[name.partition(".")[0]])
    program.state = {name: program.state[name] for name in kept}
    program.trained = {
        name: answer for name, answer in program.trained.items() if name.partition(".")[0] not in taken
    }
    constructors = {_constructor(module) for module in program.modules}
    program.parts = [
        part for part in program.parts if not _NORMALIZATION.fullmatch(part) or part in constructors
    ]

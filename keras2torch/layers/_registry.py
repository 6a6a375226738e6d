"""The registry of layer rules: what can be converted, with an example of each, and nothing that is listed twice.

Tests, `docs/layers.md`, `keras2torch layers` and the dashboard's coverage page are all derived from here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from keras2torch.source.generation import older_than
from keras2torch.source.model import Generation

if TYPE_CHECKING:
    from keras2torch.emit.code import Value
    from keras2torch.layers._call import LayerCall

    Rule = Callable[[LayerCall], Value | list[Value]]

Classes = tuple[str, ...]
Generations = frozenset[Generation]

EVERY_GENERATION: Generations = frozenset(Generation)
BEFORE_KERAS3: Generations = EVERY_GENERATION - {Generation.KERAS3}
SINCE_KERAS2: Generations = EVERY_GENERATION - {Generation.KERAS1}
SINCE_TF_KERAS: Generations = frozenset({Generation.TF_KERAS, Generation.KERAS3})
ONLY_KERAS3: Generations = frozenset({Generation.KERAS3})


class Masks(StrEnum):
    """What a layer does with the mask that its input carries."""

    PASS = "passes it on"  # noqa: S105 - no password, a mask that is passed on
    STOP = "ignores it and passes none on"
    HANDLE = "uses it; the rule says how"
    REFUSE = "is not known"


class FeatureAxis(StrEnum):
    """What a layer needs to know of the order of elements on a flattened last axis."""

    KEEPS = "treats every element alike, or permutes its own weights"
    ABSORBS = "permutes its kernel, so that its output stands in Keras's order"
    NEEDS = "needs Keras's order"


@dataclass(frozen=True)
class Example:
    """A small layer that shows a rule at work, and that the tests build with Keras itself.

    `shapes` are the Keras input shapes without the batch axis (one a tensor), `config` the layer's arguments.
    """

    shapes: tuple[tuple[int | None, ...], ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    integers_below: int | None = None
    """Feed integers in 0..n-1 instead of real numbers."""
    masked: bool = False
    """Put a Masking layer in front, so that the example covers what the layer does with a mask."""
    dtypes: tuple[str, ...] = ()
    """Types of the inputs, where they are not all alike."""
    call: Mapping[str, Any] | None = None
    """How to call a layer with more than a list of tensors: arguments by name, "#1" being the second input. Inputs
    that are not named so come first, one by one, as the very first does always; `inputs` stands for all of these."""
    behind: tuple[str, Mapping[str, Any]] | None = None
    """Class and arguments of a layer to put behind, so that the example covers what becomes of the mask."""
    inner: tuple[str, Mapping[str, Any]] | None = None
    """For wrappers: class and arguments of the wrapped layer, passed as their `layer`."""
    cells: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """For layers made of cells: class and arguments of each, passed as their `cell`."""
    row: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """For layers made of layers in a row: class and arguments of each, passed as their `layers`."""
    batch: int | None = None
    """For layers that keep states: how many samples they keep them for."""
    only: Generation | None = None
    """Where only one library has the layer or the option."""


def example(*shapes: tuple[int | None, ...], **config: Any) -> Example:
    """An `Example` in short: input shapes, then the layer's arguments; `_masked`, `_inner` ... set its other fields."""
    fields = {key[1:]: config.pop(key) for key in list(config) if key.startswith("_")}
    return Example(shapes, config, **fields)


@dataclass(frozen=True)
class LayerRule:
    """One entry: class names that mean the same, the function that translates a call, and its traits."""

    classes: Classes
    family: str
    function: Rule
    examples: tuple[Example, ...]
    masks: Masks
    feature_axis: FeatureAxis
    torch: str
    generations: Generations
    """Which Kerases write files that name this class."""
    since: int | None = None
    """The minor version of tf.keras 2 that brought the class; None: not known to be late."""

    @property
    def name(self) -> str:
        return self.classes[0]

    @property
    def custom(self) -> bool:
        """Whether it comes from outside this package: then Keras's own libraries do not know the class either."""
        return not self.function.__module__.startswith(f"{__package__}.")


@dataclass(frozen=True)
class Cannot:
    """A class that is known and has no meaning as a PyTorch module."""

    name: str
    family: str
    reason: str
    generations: Generations


GENERATION_NAMES = {
    Generation.KERAS1: "Keras 1",
    Generation.KERAS2: "Keras 2",
    Generation.TF_KERAS: "tf.keras",
    Generation.KERAS3: "Keras 3",
}
_SAY_YOURSELF = (
    "; no code of it is in the file: --layers FILE.py or --replace NAME=FILE.py:CLASS say what it computes"
)

_RULES: dict[str, LayerRule] = {}
_CANNOT: dict[str, Cannot] = {}
_OTHERS: dict[str, LayerRule] = {}
"""Rules of plug-ins for classes that are Keras's own in some files and not in others."""
_collecting: ContextVar[dict[str, LayerRule] | None] = ContextVar("_collecting", default=None)
_active: ContextVar[Mapping[str, LayerRule]] = ContextVar("_active")


def converts(
    *classes: str,
    examples: Sequence[Example],
    masks: Masks = Masks.REFUSE,
    feature_axis: FeatureAxis = FeatureAxis.NEEDS,
    generations: Generations = EVERY_GENERATION,
    since: int | None = None,
    examples_elsewhere: bool = False,
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule for Keras layers of these class names (aliases after the first).

    The first line of its docstring says what the layer becomes; `generations` are the Kerases that have the class, and
    `since` the minor version of tf.keras 2 that brought it, if it came late: in any other file, a class of that name is
    its author's own. A rule of a caller's file is the caller's word on whatever class it names; one of a plug-in holds
    where the class is not Keras's own.
    `examples_elsewhere`: for what carries any operation; those have examples of their own (`operations`).
    Raises `ValueError` at import for a class that has a rule already, a rule without an example or without a docstring.
    """

    def register(function: Rule) -> Rule:
        if not examples and not examples_elsewhere:
            raise ValueError(f"the rule for {classes[0]} has no example")
        if not function.__doc__:
            raise ValueError(f"the rule for {classes[0]} does not say what the layer becomes")
        family = function.__module__.rsplit(".", 1)[-1]
        summary = function.__doc__.strip().splitlines()[0]
        rule = LayerRule(
            classes, family, function, tuple(examples), masks, feature_axis, summary, generations, since
        )
        collected = _collecting.get()
        targets = {name: _target(name, rule) if collected is None else collected for name in classes}
        for name, target in targets.items():
            _check_new(name, target)
        for name, target in targets.items():
            target[name] = rule
        return function

    return register


@contextmanager
def collecting() -> Iterator[dict[str, LayerRule]]:
    """Keep the rules that are registered while this lasts apart from the others; yields them."""
    collected: dict[str, LayerRule] = {}
    token = _collecting.set(collected)
    try:
        yield collected
    finally:
        _collecting.reset(token)


@contextmanager
def active(extra: Mapping[str, LayerRule]) -> Iterator[None]:
    """Have `find` know `extra` rules too while this lasts, in this thread."""
    token = _active.set({**_active.get({}), **extra})
    try:
        yield
    finally:
        _active.reset(token)


def cannot(family: str, *classes: str, reason: str, generations: Generations = EVERY_GENERATION) -> None:
    """Register classes that no rule can convert, with a `reason` that completes "cannot be converted: ...".

    `family` is the module's `__name__`. Raises `ValueError` at import for a class that is registered already.
    """
    for name in classes:
        _check_new(name, _CANNOT)
        _CANNOT[name] = Cannot(name, family.rsplit(".", 1)[-1], reason, generations)


def _check_new(name: str, target: Mapping[str, LayerRule | Cannot]) -> None:
    # A file of the caller's may give a meaning to any class: what is called as one of ours may be the author's own.
    everywhere = target is _RULES or target is _CANNOT
    known = target.get(name) or (_RULES.get(name) or _CANNOT.get(name) if everywhere else None)
    if known:
        raise ValueError(f"{name} has a rule already, in {known.family}")


def _target(name: str, rule: LayerRule) -> dict[str, LayerRule]:
    """Where a rule is kept for good: a plug-in's apart, if there are files in which its class is not Keras's own."""
    known = _RULES.get(name)
    late = known is not None and (known.generations != EVERY_GENERATION or known.since is not None)
    return _OTHERS if rule.custom and late else _RULES


@cache
def _load_families() -> None:
    package = importlib.import_module("keras2torch.layers")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    importlib.import_module(f"{package.__name__}._plugins").load_entry_points()


def rules() -> Mapping[str, LayerRule]:
    """Every rule by class name, aliases included. The families are found by walking this package."""
    _load_families()
    return _RULES


def find(
    class_name: str, generation: Generation | None = None, keras_version: str | None = None
) -> LayerRule | None:
    """The rule for a class in a file of this Keras, by default of any that has the class."""
    own = _active.get({}).get(class_name)
    rule = rules().get(class_name)
    if own is None and rule is not None and generation is not None and class_name in _OTHERS:
        own = _OTHERS[class_name] if _not_yet(rule, generation, keras_version) else None
    return own or rule


def refusal(class_name: str, generation: Generation, keras_version: str | None = None) -> str | None:
    """Why a class in a file of this Keras is refused: for want of a rule, or because it is not Keras's own; or None."""
    rule = find(class_name, generation, keras_version)
    if rule is not None and rule.custom:
        return None
    known = rule or _CANNOT.get(class_name)
    if known is None:
        return f"layer class {class_name} is not supported{_SAY_YOURSELF}"
    if absence := _not_yet(known, generation, keras_version):
        return f"{absence}, so it is its author's own{_SAY_YOURSELF}"
    return f"{class_name} cannot be converted: {known.reason}" if isinstance(known, Cannot) else None


def _not_yet(known: LayerRule | Cannot, generation: Generation, keras_version: str | None) -> str | None:
    """That a class is not Keras's own in a file, in words; None where it is."""
    if generation not in known.generations:
        return f"{GENERATION_NAMES[generation]} has no layer {known.name}"
    since = known.since if isinstance(known, LayerRule) else None
    if since is not None and older_than(since, generation, keras_version):
        return f"Keras {keras_version} has no layer {known.name} yet, which came with 2.{since}"
    return None


def cannot_all() -> list[Cannot]:
    """Every class that is known and cannot be converted, by family, then by name."""
    _load_families()
    return sorted(_CANNOT.values(), key=lambda entry: (entry.family, entry.name))


def converts_all() -> list[LayerRule]:
    """Every rule once, by family, then by name."""
    unique = {id(rule): rule for rule in rules().values()}
    return sorted(unique.values(), key=lambda rule: (rule.family, rule.name))

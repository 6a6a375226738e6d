"""What a translation yields: the module that is to be written, not yet as text."""

from __future__ import annotations

from dataclasses import dataclass, field

from keras2torch.emit.code import ModuleDecl, Statement, Value
from keras2torch.emit.parts import Part
from keras2torch.graph.model import Graph
from keras2torch.weights import Weight, WeightKey


@dataclass(frozen=True)
class LayerRecord:
    """One call of a layer: what Keras calls its output, and the value that is it. None: an input, or fused away."""

    path: str
    class_name: str
    call: int
    value: Value
    torch_name: str | None


@dataclass
class Program:
    """The module to be written: declarations, body, weights, and where every Keras layer went."""

    graph: Graph
    inputs: list[Value]
    outputs: list[Value]
    modules: list[ModuleDecl] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    state: dict[str, Weight] = field(default_factory=dict)
    trained: dict[str, bool | None] = field(default_factory=dict)
    """Parameters of the module, by their names in `state`, without buffers: whether Keras trains them; None for no,
    where the class of their module says so itself."""
    expected: dict[str, list[WeightKey]] = field(default_factory=dict)
    """Variables of each layer, by path, in the order in which Keras creates them."""
    records: list[LayerRecord] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    own_parts: dict[str, Part] = field(default_factory=dict)
    """Classes and functions of the caller's, by name."""
    warnings: list[str] = field(default_factory=list)
    options_read: dict[str, frozenset[str]] = field(default_factory=dict)
    """Option names that the rules read, by layer path (nested layers included): an allow-list for rewriting configs."""
    stand_ins: dict[str, str] = field(default_factory=dict)
    """Layers, by path, that no class of a library of today computes, and the stand-in that does."""
    fused: dict[str, str] = field(default_factory=dict)
    """Normalizations, by path, that are in the weights of another module, and its name."""
    given: list[str] = field(default_factory=list)
    """Layers, by path, of which only the caller knows what they compute: their own rules or replacements."""

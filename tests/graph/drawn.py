"""A graph as text: one line a call, so that a test shows what it expects at a glance."""

from typing import Any

from keras2torch.graph.build import build_graph
from keras2torch.graph.model import Graph, TensorRef
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Generation


def built(
    config: dict[str, Any], generation: Generation = Generation.TF_KERAS, limits: Limits = DEFAULT
) -> Graph:
    return build_graph(config, generation, limits=limits)


def drawn(graph: Graph) -> list[str]:
    """`path#call(inputs; kwargs)` of every call in order, then the outputs; a tensor is the call that made it."""
    names = [f"{node.layer}#{node.call}" if node.call else node.layer for node in graph.nodes]

    def show(value: Any) -> str:
        if isinstance(value, TensorRef):
            return names[value.node] + (f":{value.output}" if value.output else "")
        if isinstance(value, list):
            return "[" + ", ".join(map(show, value)) + "]"
        return repr(value)

    lines = []
    for name, node in zip(names, graph.nodes, strict=True):
        arguments = [*map(show, node.inputs), *(f"{key}={show(value)}" for key, value in node.kwargs.items())]
        lines.append(f"{name}({', '.join(arguments)})")
    return [*lines, "-> " + ", ".join(map(show, graph.outputs))]

"""Which normalizations of a picture's channels give back channels-first what they were given channels-first.

`nn.LayerNorm` wants its axes last, convolutions want channels first. What a convolution reads is turned back where it
was turned, so that pictures have one layout from end to end and blocks that do the same are written the same; what
linear layers alone read stays as they want it. Requires: nodes in execution order. Changes nothing.
"""

from __future__ import annotations

from keras2torch.graph.model import Graph

_NORMALIZATIONS = frozenset({"GroupNormalization", "LayerNormalization", "RMSNormalization"})


def norms_of_pictures(graph: Graph) -> frozenset[int]:
    """Numbers of the nodes of such layers that something reads that works on pictures or volumes."""
    classes = [graph.layers[node.layer].class_name for node in graph.nodes]
    consumers = graph.consumers()
    return frozenset(
        number
        for number, name in enumerate(classes)
        if name in _NORMALIZATIONS
        and any(classes[reader].endswith(("2D", "3D")) for reader in consumers[number])
    )

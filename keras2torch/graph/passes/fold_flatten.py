"""Which Flatten layers need no permute: those behind which every path can live with torch's order of elements.

Keras flattens channels-last, a channels-first module flattens (C, H, W). If everything that reads the flattened tensor
either treats all elements alike (Dropout, ReLU) or permutes its own weights (Dense, BatchNormalization), no element has
to move at run time. Requires: nodes in execution order. Changes nothing.
"""

from __future__ import annotations

from collections import Counter

from keras2torch.graph.model import Graph
from keras2torch.layers import _registry
from keras2torch.layers._registry import FeatureAxis


def flattens_that_fold(graph: Graph) -> frozenset[int]:
    """Numbers of the Flatten nodes whose output may stay in torch's order."""
    consumers = graph.consumers()
    calls = Counter(node.layer for node in graph.nodes)
    leaves = {ref.node for ref in graph.outputs}
    tolerant: dict[int, bool] = {}
    for number in range(len(graph.nodes) - 1, -1, -1):
        # Whether everything behind this node's output accepts any order of its features.
        readers = consumers[number]
        tolerant[number] = (
            number not in leaves
            and bool(readers)
            and all(_accepts(graph, reader, calls, tolerant) for reader in readers)
        )
    return frozenset(
        number
        for number, node in enumerate(graph.nodes)
        if graph.layers[node.layer].class_name == "Flatten" and tolerant[number]
    )


def _accepts(graph: Graph, reader: int, calls: Counter[str], tolerant: dict[int, bool]) -> bool:
    layer = graph.layers[graph.nodes[reader].layer]
    if calls[layer.path] > 1:
        return False  # a shared layer permutes its weights once, but its callers may differ in order
    rule = _registry.find(layer.class_name, graph.generation)
    if rule is None or rule.feature_axis is FeatureAxis.NEEDS:
        return False
    return rule.feature_axis is FeatureAxis.ABSORBS or tolerant[reader]

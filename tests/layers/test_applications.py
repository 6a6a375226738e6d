"""Layers that keras.applications defines: told apart by name alone, so the user is told."""

from keras2torch.graph.build import build_graph
from keras2torch.source.model import Generation
from keras2torch.translate import translate
from tests.crafted import layer, sequential


def test_the_user_is_told_once_what_a_name_was_taken_for() -> None:
    config = sequential(
        layer("InputLayer", "in", batch_input_shape=[None, 3]),
        layer("LayerScale", "a", init_values=0.1, projection_dim=3),
        layer("LayerScale", "b", init_values=0.1, projection_dim=3),
    )
    (warning,) = translate(build_graph(config, Generation.TF_KERAS)).warnings
    assert warning.startswith("LayerScale: taken for the layer of keras.applications")

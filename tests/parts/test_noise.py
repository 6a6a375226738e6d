"""What dropping and noise do while training; that they do nothing otherwise is proven with every example."""

from pathlib import Path
from typing import Any

import pytest
import torch

from keras2torch import convert, load
from keras2torch.parts.noise import GaussianDropout, GaussianNoise, SharedAlphaDropout, SharedDropout
from tests.crafted import layer, sequential, write_model


def test_alpha_dropout_keeps_mean_and_variance_and_shares_its_draw() -> None:
    torch.manual_seed(0)
    x = torch.randn(4000, 6, 50)
    layer = SharedAlphaDropout(0.3, (1,))
    y = layer.train()(x)
    assert abs(float(y.mean())) < 0.02
    assert abs(float(y.std()) - 1) < 0.02
    dropped = y == y.flatten().mode().values  # all that is dropped becomes one number
    assert torch.equal(dropped.all(dim=1), dropped.any(dim=1))
    assert abs(float(dropped.float().mean()) - 0.3) < 0.02
    assert torch.equal(layer.eval()(x), x)


def test_shared_dropout_drops_at_its_rate_and_scales_what_is_left() -> None:
    torch.manual_seed(0)
    y = SharedDropout(0.2, (1, 3)).train()(torch.ones(2000, 3, 10, 2))
    assert set(y.unique().tolist()) == {0.0, 1.25}
    assert abs(float((y == 0).float().mean()) - 0.2) < 0.01
    assert torch.equal(y, y[:, :1, :, :1].expand_as(y))


def test_gaussian_noise_has_keras_variance() -> None:
    torch.manual_seed(0)
    y = GaussianDropout(0.2).train()(torch.full((200_000,), 3.0))
    assert abs(float(y.mean()) - 3) < 0.02
    assert abs(float(y.std()) - 3 * 0.5) < 0.02  # 3 * sqrt(0.2 / 0.8)
    noise = GaussianNoise(0.3).train()(torch.zeros(200_000))
    assert abs(float(noise.mean())) < 0.01
    assert abs(float(noise.std()) - 0.3) < 0.01


@pytest.mark.parametrize(
    ("class_name", "shape", "options", "together"),
    [
        # `together`: the axes of Keras's tensor along which all is dropped or nothing.
        ("Dropout", (30, 4), {}, ()),
        ("Dropout", (30, 4), {"noise_shape": [None, 1, 4]}, (1,)),
        ("Dropout", (6, 5, 40), {"noise_shape": [None, 1, 1, 40]}, (1, 2)),
        ("Dropout", (6, 5, 40), {"noise_shape": [None, 6, 5, 1]}, (3,)),
        ("SpatialDropout1D", (30, 40), {}, (1,)),
        ("SpatialDropout2D", (6, 5, 40), {}, (1, 2)),
        ("SpatialDropout2D", (40, 6, 5), {"data_format": "channels_first"}, (2, 3)),
        ("SpatialDropout3D", (2, 6, 5, 40), {}, (1, 2, 3)),
    ],
)
def test_an_emitted_module_drops_together_what_keras_does(
    class_name: str,
    shape: tuple[int, ...],
    options: dict[str, Any],
    together: tuple[int, ...],
    tmp_path: Path,
) -> None:
    config = sequential(
        layer("InputLayer", "x", batch_input_shape=[None, *shape]),
        layer(class_name, "drop", rate=0.25, **options),
    )
    path = write_model(tmp_path / "m.h5", config, {})
    module = load(convert(path, tmp_path / "bundle", io_layout="keras").path)
    torch.manual_seed(0)
    y = module.train()(torch.ones(100, *shape))
    assert y.shape == (100, *shape)
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 4 / 3]))
    one = y
    for axis in together:
        one = one.narrow(axis, 0, 1)
    assert torch.equal(y, one.expand_as(y))
    assert abs(float((one == 0).float().mean()) - 0.25) < 0.05
    for axis in {*range(y.dim())} - {*together}:
        assert not torch.equal(one, one.narrow(axis, 0, 1).expand_as(one))

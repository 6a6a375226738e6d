"""What dropping does while training; that it does nothing otherwise is proven with every example."""

import torch

from keras2torch.parts.noise import SharedAlphaDropout


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

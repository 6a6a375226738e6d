"""Unshared convolutions, place by place."""

import pytest
import torch

from keras2torch.parts.locally_connected import LocallyConnected


@pytest.mark.parametrize(("size", "kernel", "stride"), [((7,), (3,), (2,)), ((6, 5), (3, 2), (2, 1))])
def test_every_place_has_its_own_kernel(
    size: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    places = tuple((n - k) // s + 1 for n, k, s in zip(size, kernel, stride, strict=True))
    layer = LocallyConnected(2, 3, kernel, places, stride).double()
    assert layer.bias is not None
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(4, 2, *size, dtype=torch.float64)
    outputs = layer(x)
    assert outputs.shape == (4, 3, *places)
    for at in torch.cartesian_prod(*(torch.arange(n) for n in places)).reshape(-1, len(places)).tolist():
        window = x
        for axis, (position, k, s) in enumerate(zip(at, kernel, stride, strict=True), start=2):
            window = window.narrow(axis, position * s, k)
        own = layer.weight[(slice(None), *at)]
        expected = (window.flatten(1) @ own.flatten(1).T) + layer.bias[(slice(None), *at)]
        torch.testing.assert_close(outputs[(..., *at)], expected)

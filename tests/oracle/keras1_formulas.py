"""What layers of Keras 1 compute, written from their definitions with loops, apart from converter and stand-ins.

Arrays are as Keras 1 stored them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Gate = tuple[Array, Array, Array]
"""(W, U, b) of one gate."""


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def hard_sigmoid(x: Array) -> Array:
    return np.clip(0.2 * x + 0.5, 0, 1)


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def lstm(x: Array, gates: Sequence[Gate], *, backwards: bool = False) -> Array:
    """Every output of an LSTM whose gates stand as stored: i, c, f, o."""
    steps = x[:, ::-1] if backwards else x
    units = gates[0][1].shape[0]
    h, c = np.zeros((len(x), units)), np.zeros((len(x), units))
    outputs = []
    for t in range(x.shape[1]):
        i, new, f, o = (steps[:, t] @ w + h @ u + b for w, u, b in gates)
        c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(new)
        h = hard_sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1)


def gru(x: Array, gates: Sequence[Gate]) -> Array:
    """The last output of a GRU whose gates stand as stored: z, r, h."""
    (wz, uz, bz), (wr, ur, br), (wh, uh, bh) = gates
    h = np.zeros((len(x), uz.shape[0]))
    for t in range(x.shape[1]):
        z = hard_sigmoid(x[:, t] @ wz + h @ uz + bz)
        r = hard_sigmoid(x[:, t] @ wr + h @ ur + br)
        h = z * h + (1 - z) * np.tanh(x[:, t] @ wh + (r * h) @ uh + bh)
    return h


def slide(x: Array, kernel: Array, bias: Array, strides: tuple[int, int], *, theano: bool) -> Array:
    """A valid convolution of (N, H, W, in) with (h, w, in, out), as either backend understands the word."""
    rows, columns = kernel.shape[:2]
    height = (x.shape[1] - rows) // strides[0] + 1
    width = (x.shape[2] - columns) // strides[1] + 1
    y = np.zeros((len(x), height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            for a in range(rows):
                for b in range(columns):
                    row, column = (rows - 1 - a, columns - 1 - b) if theano else (a, b)
                    y[:, i, j] += x[:, i * strides[0] + row, j * strides[1] + column] @ kernel[a, b]
    return y + bias


def spread(x: Array, kernel: Array, bias: Array, stride: int, out: tuple[int, int], *, theano: bool) -> Array:
    """The valid transposed convolution of (N, H, W, in) with (h, w, in, out): the gradient of `slide`."""
    rows, columns = kernel.shape[:2]
    y = np.zeros((len(x), *out, kernel.shape[3]))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            for a in range(rows):
                for b in range(columns):
                    row, column = (rows - 1 - a, columns - 1 - b) if theano else (a, b)
                    y[:, i * stride + row, j * stride + column] += x[:, i, j] @ kernel[a, b]
    return y + bias


def highway(x: Array, w: Array, w_carry: Array, b: Array, b_carry: Array) -> Array:
    gate = sigmoid(x @ w_carry + b_carry)
    return gate * np.maximum(x @ w + b, 0) + (1 - gate) * x


def maxout(x: Array, w: Array, b: Array) -> Array:
    y = np.full((len(x), w.shape[2]), -np.inf)
    for piece, offset in zip(w, b, strict=True):
        y = np.maximum(y, x @ piece + offset)
    return y


def srelu(x: Array, t_left: Array, a_left: Array, t_right: Array, a_right: Array) -> Array:
    bend = t_left + np.abs(t_right)
    y = np.empty_like(x)
    for n, sample in enumerate(x):
        for place, value in np.ndenumerate(sample):
            left, right = t_left[place], bend[place]
            y[n][place] = value
            if value < left:
                y[n][place] = left + a_left[place] * (value - left)
            elif value > right:
                y[n][place] = right + a_right[place] * (value - right)
    return y


def by_sample(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """Batch normalization in mode 1: each vector along the last axis by its own mean and deviation."""
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[:-1]):
        vector = x[place] - x[place].mean()
        y[place] = gamma * vector / (np.sqrt((vector**2).mean() + epsilon) + epsilon) + beta
    return y


def by_batch(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """Batch normalization in mode 2: each channel, axis 1, by mean and variance of the batch at hand."""
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        values = x[:, channel] - x[:, channel].mean()
        y[:, channel] = gamma[channel] * values / np.sqrt((values**2).mean() + epsilon) + beta[channel]
    return y


def cosine(a: Array, b: Array) -> Array:
    return np.array(
        [[[p @ q / max(np.sqrt(p @ p) * np.sqrt(q @ q), 1e-7)]] for p, q in zip(a, b, strict=True)]
    )


def convolutional_lstm(x: Array, gates: Sequence[Gate], *, theano: bool) -> Array:
    """The last output for (N, T, H, W, in): kernels (3, 3, in, units), gates i, c, f, o, every convolution padded."""
    units = gates[0][1].shape[3]
    h, c = np.zeros((*x[:, 0].shape[:3], units)), np.zeros((*x[:, 0].shape[:3], units))

    def same(y: Array, kernel: Array) -> Array:
        padded = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return slide(padded, kernel, np.zeros(units), (1, 1), theano=theano)

    for t in range(x.shape[1]):
        i, new, f, o = (same(x[:, t], w) + same(h, u) + b for w, u, b in gates)
        c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(new)
        h = hard_sigmoid(o) * np.tanh(c)
    return h

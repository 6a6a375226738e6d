"""Functions as people put them into Lambda layers, and what each is read as. Any Python since 2.7 compiles them."""

FUNCTIONS = {
    "normalise": ("lambda x: x / 127.5 - 1.", "x / 127.5 - 1.0"),
    "reversed": ("lambda x: 1. - x * 2", "1.0 - x * 2"),
    "grouped": ("lambda x: (x - 0.5) * 2 / (x + 1) ** 2", "(x - 0.5) * 2 / (x + 1) ** 2"),
    "folded": ("lambda x: x * (1. / 255) + -0.5", "x * 0.00392156862745098 + -0.5"),
    "negative": ("lambda x: -x ** 2 - -x", "-x ** 2 - -x"),
    "power": ("lambda x: (-x) ** 2 % 3 // 2", "(-x) ** 2 % 3 // 2"),
    "compared": ("lambda x: x > 0.5", "x > 0.5"),
    "last": ("lambda x: x[:, -1]", "x[:, -1]"),
    "sliced": ("lambda x: x[:, 1:5:2, ..., None]", "x[:, 1:5:2, ..., None]"),
    "from_start": ("lambda x: x[1:]", "x[1:]"),
    "bounds": ("lambda x: x[:-1] + x[1:3]", "x[:-1] + x[1:3]"),
    "pair": ("lambda x: abs(x[0] - x[1])", "tf.math.abs(x[0] - x[1])"),
    "mean": ("lambda x: K.mean(x, axis=1)", "tf.math.reduce_mean(x, axis=1)"),
    "named": (
        "lambda t: K.sum(t, axis=[1, 2, 3, -1], keepdims=True)",
        "tf.math.reduce_sum(t, axis=[1, 2, 3, -1], keepdims=True)",
    ),
    "normalised": ("lambda x: K.l2_normalize(x, axis=-1)", "tf.math.l2_normalize(x, axis=-1)"),
    "chain": (
        "lambda x: tf.keras.backend.expand_dims(tf.nn.relu(x), -1)",
        "tf.expand_dims(tf.nn.relu(x), axis=-1)",
    ),
    "default": ("lambda x, scale=2, shift=1: x * scale + shift", "x * 2 + 1"),
    "distance": (
        (
            "def distance(vectors):\n"
            "    a, b = vectors\n"
            "    total = K.sum(K.square(a - b), axis=1, keepdims=True)\n"
            "    total += 1\n"
            "    return K.sqrt(K.maximum(total, K.epsilon()))\n"
        ),
        (
            "tf.math.sqrt(tf.math.maximum(tf.math.maximum(tf.math.reduce_sum(tf.math.square("
            "vectors[0] - vectors[1]), axis=1, keepdims=True) + 1, 1e-07), 0.0))"
        ),
    ),
    "imports": (
        (
            "def resize(x):\n"
            "    import tensorflow as tf\n"
            "    from keras import backend as K\n"
            "    return tf.image.resize(K.square(x), (64, 64))\n"
        ),
        "tf.image.resize(tf.math.square(x), size=(64, 64))",
    ),
    "closure": (
        "def make(axis, keepdims):\n    return lambda x: K.mean(x, axis=axis, keepdims=keepdims)\n",
        "tf.math.reduce_mean(x, axis=1, keepdims=True)",
    ),
    "triple": ("def f(x):\n    a, b, c = x[0], x[1], x[2]\n    return a * b + c\n", "x[0] * x[1] + x[2]"),
}
"""Name -> (source, what it is read as). A `make` is called first: what it returns is the function, closed over
`CLOSURE`.
"""

CLOSURE = (1, True)

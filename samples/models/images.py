"""Image models, from the plainest classifier to two from keras.applications."""

from samples.catalogue import Keras, Library, Model, Training, sample
from samples.data import tinted_images


@sample(Library.KERAS_3, Training(tinted_images(200, 5), "sparse_categorical_crossentropy", steps=8, batch=8))
def image_classifier(keras: Keras) -> Model:
    """Two convolutions, max pooling, Flatten, Dense: the model of a thousand tutorials."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((200, 200, 3)),
            layers.Conv2D(64, (2, 2), activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, (2, 2), activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(5, activation="softmax"),
        ]
    )


@sample(Library.KERAS_2, Training(tinted_images(32, 10), "sparse_categorical_crossentropy", steps=25))
def residual_classifier(keras: Keras) -> Model:
    """A small ResNet: repeated blocks, then one block of its own weights applied twice."""
    layers = keras.layers

    def block(x: Model, filters: int, stride: int, name: str) -> Model:
        shortcut = x
        if stride != 1:
            shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False, name=f"{name}_proj")(x)
            shortcut = layers.BatchNormalization(name=f"{name}_proj_bn")(shortcut)
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_conv1")(x)
        y = layers.BatchNormalization(name=f"{name}_bn1")(y)
        y = layers.ReLU(name=f"{name}_relu1")(y)
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_conv2")(y)
        y = layers.BatchNormalization(name=f"{name}_bn2")(y)
        return layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([shortcut, y]))

    image = keras.Input((32, 32, 3), name="image")
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="stem_conv")(image)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_bn")(x))
    for stage, filters in enumerate((16, 32, 64), start=1):
        for index in (1, 2):
            stride = 2 if index == 1 and stage > 1 else 1
            x = block(x, filters, stride, f"stage{stage}_block{index}")

    inside = keras.Input((8, 8, 64))
    refine = keras.Model(inside, block(inside, 64, 1, "refine"), name="refine")
    x = refine(refine(x))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", name="classes")(x), name="residual")


@sample(Library.KERAS_2, Training(tinted_images(48, 4), "sparse_categorical_crossentropy"))
def separable_classifier(keras: Keras) -> Model:
    """Depthwise and separable convolutions with strides, dilation and a depth multiplier."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Conv2D(16, 3, strides=2, padding="same", input_shape=(48, 48, 3)),
            layers.BatchNormalization(),
            layers.Activation("swish"),
            layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
            layers.LeakyReLU(0.1),
            layers.SeparableConv2D(48, 3, strides=2, padding="same", activation="elu"),
            layers.SpatialDropout2D(0.1),
            layers.SeparableConv2D(64, 3, dilation_rate=2, depth_multiplier=2, use_bias=False),
            layers.BatchNormalization(scale=False),
            layers.Activation("tanh"),
            layers.AveragePooling2D(2, padding="same"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(4),
            layers.Softmax(),
        ],
        name="separable",
    )


@sample(Library.KERAS_3)
def unet(keras: Keras) -> Model:
    """Segmentation with skip connections; any image whose sides are multiples of 8."""
    layers = keras.layers

    def twice(x: Model, filters: int, name: str) -> Model:
        for step in (1, 2):
            x = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv{step}")(x)
            x = layers.BatchNormalization(name=f"{name}_bn{step}")(x)
            x = layers.Activation("relu", name=f"{name}_relu{step}")(x)
        return x

    image = keras.Input((None, None, 3), name="image")
    x, skips = image, []
    for depth, filters in enumerate((16, 32, 64), start=1):
        skips.append(twice(x, filters, f"down{depth}"))
        x = layers.MaxPooling2D(name=f"down{depth}_pool")(skips[-1])
    x = layers.Dropout(0.3, name="drop")(twice(x, 128, "bottom"))
    for depth, filters in ((3, 64), (2, 32), (1, 16)):
        if depth == 3:
            x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same", name=f"up{depth}")(x)
        else:
            x = layers.UpSampling2D(interpolation="bilinear", name=f"up{depth}")(x)
        x = layers.Concatenate(name=f"up{depth}_join")([skips[depth - 1], x])
        x = twice(x, filters, f"up{depth}")
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    return keras.Model(image, mask, name="unet")


@sample(Library.KERAS_2)
def mobilenet_v2(keras: Keras) -> Model:
    return keras.applications.MobileNetV2(weights=None)


@sample(Library.KERAS_3)
def resnet50(keras: Keras) -> Model:
    return keras.applications.ResNet50(weights=None)

"""What a caller may ask of a conversion: checked once, recorded in the manifest, so that verifying reads alike."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self, TypedDict, Unpack

from keras2torch.declared import About, option, options_of
from keras2torch.emit.names import is_free_class_name
from keras2torch.errors import UsageError

IO_LAYOUTS = ("torch", "keras")
STYLES = ("blocks", "flat")
BACKENDS = ("tensorflow", "theano")
DTYPES = ("float32", "float16", "bfloat16")
"""What weights may be rounded to."""
_LARGEST_EXTENT = 1 << 31
_LONGEST_NUMBER = 18
ARCHITECTURE_FILE = "architecture.json"
"""Where a bundle keeps the architecture that its source, a file of weights, does not hold."""
_APPLICATIONS = "applications:"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Architecture:
    """What a weights-only file is the weights of: JSON as `model.to_json()` gives it, or a name that stands for it.

    `text` is None for a name out of keras.applications until the weights have been seen. Files that have an
    architecture of their own have no use for it.
    """

    name: str
    text: bytes | None

    @classmethod
    def of(cls, given: str | Path) -> Self:
        """`given`: a path, or "applications:NAME". Raises `UsageError` for a file that cannot be read."""
        name = str(given)
        if name.startswith(_APPLICATIONS):
            return cls(name, None)
        try:
            with Path(given).open("rb") as file:
                text = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"the architecture cannot be read ({error.strerror})", file=name) from error
        if len(text) > _MOST_BYTES:
            raise UsageError(f"an architecture of more than {_MOST_BYTES} bytes", file=name)
        return cls(Path(given).name, text)

    @property
    def is_application(self) -> bool:
        """Whether it is a name out of keras.applications."""
        return self.name.startswith(_APPLICATIONS)

    def as_json(self) -> dict[str, str]:
        """Name and, where there is a text, its SHA-256."""
        if self.text is None:
            return {"name": self.name}
        return {"name": self.name, "sha256": hashlib.sha256(self.text).hexdigest()}


@dataclass(frozen=True)
class UserFile:
    """A Python file of the caller's, as it was when it was named."""

    path: Path
    sha256: str

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Raises `UsageError` for a file that cannot be read."""
        path = Path(path)
        try:
            return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())
        except OSError as error:
            raise UsageError(f"cannot be read ({error.strerror})", file=str(path)) from error

    def as_json(self) -> dict[str, str]:
        return {"file": self.path.name, "sha256": self.sha256}


@dataclass(frozen=True)
class Replacement:
    """A torch class of the caller's that takes the place of one layer."""

    layer: str
    """Name of the layer, or its path where it stands in a nested model ("encoder/scale")."""
    class_name: str
    file: UserFile

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME=file.py:ClassName`. Raises `UsageError`."""
        layer, equals, place = text.rpartition("=")
        path, colon, class_name = place.rpartition(":")
        if not (layer and equals and path and colon and class_name.isidentifier()):
            raise UsageError(f"{text!r} is not NAME=file.py:ClassName")
        return cls(layer, class_name, UserFile.read(path))

    def as_json(self) -> dict[str, str]:
        return {"layer": self.layer, "class": self.class_name, **self.file.as_json()}


@dataclass(frozen=True)
class InputShape:
    """What an input takes, for a model that does not say."""

    input: str
    """Name of the input, or its number from 1."""
    shape: tuple[int | None, ...]
    """Keras's shape without the batch axis; None where an extent is open."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME_OR_NUMBER=32,32,3`, with `None` or `?` for an open extent. Raises `UsageError`."""
        name, equals, numbers = text.rpartition("=")
        items = [item.strip() for item in numbers.split(",")]
        extents = [None if item in ("None", "?") else int(item) if item.isdecimal() else 0 for item in items]
        if not (name and equals) or any(n is not None and not 0 < n <= _LARGEST_EXTENT for n in extents):
            raise UsageError(
                f"{text!r} is not NAME_OR_NUMBER=32,32,3 (the batch axis left out, ? for an open extent)"
            )
        return cls(name, tuple(extents))

    def __str__(self) -> str:
        return f"{self.input}={','.join('?' if n is None else str(n) for n in self.shape)}"


class Limit(NamedTuple):
    """Another value for one of the limits that a file is held to (`keras2torch.source.limits`)."""

    name: str
    value: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`NAME=NUMBER`. Raises `UsageError`."""
        name, equals, number = text.partition("=")
        if not (name and equals and number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER):
            raise UsageError(f"{text!r} is not NAME=NUMBER")
        return cls(name, int(number))

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


def parse_class_name(name: str) -> str:
    """Raises `UsageError` for what cannot be a class in the emitted file."""
    if name != "Model" and not is_free_class_name(name):
        raise UsageError(
            f"{name!r} cannot name a class in model.py: no plain identifier of at most 60 letters, or taken there"
        )
    return name


class Asked(TypedDict, total=False):
    """The options of a conversion as a caller spells them; what is left out has the default of `ConversionOptions`."""

    io_layout: str
    style: str
    layers: Sequence[str | Path]
    replace: Sequence[str]
    backend: str | None
    input_shape: Sequence[str]
    architecture: str | Path | None
    limits: Sequence[str]
    class_name: str | None
    dtype: str | None
    fuse_batchnorm: bool
    hub_mixin: bool


@dataclass(frozen=True)
class ConversionOptions:
    """What to do with a model, and what its file does not say. Raises `UsageError` for a value that means nothing.

    A new option is a field here, and a line in `Asked` for those who check types: callers, commands, manifests and
    recipes follow from it.
    """

    io_layout: str = option(
        "torch",
        About.BUNDLE,
        "torch: images go in and come out channels-first; keras: exactly Keras's axes (default: torch)",
        choices=IO_LAYOUTS,
    )
    style: str = option(
        "blocks",
        About.BUNDLE,
        "blocks: classes for what repeats and for nested models; flat: one class of all layers (default: blocks)",
        choices=STYLES,
    )
    layers: tuple[UserFile, ...] = option(
        (),
        About.CODE,
        "a Python file of yours with rules for your own layers; it is run",
        parse=UserFile.read,
        record=UserFile.as_json,
        metavar="FILE.py",
        many=True,
        batch=False,
    )
    replace: tuple[Replacement, ...] = option(
        (),
        About.CODE,
        "a torch class of yours in place of a layer, such as a Lambda; it is run",
        parse=Replacement.parse,
        record=Replacement.as_json,
        metavar="NAME=FILE.py:CLASS",
        many=True,
        batch=False,
    )
    backend: str | None = option(
        None,
        About.FILE,
        "which backend trained a model with convolutions whose file does not say (Keras 1)",
        choices=BACKENDS,
    )
    input_shape: tuple[InputShape, ...] = option(
        (),
        About.FILE,
        "what an input (by name, or number from 1) takes, for a Sequential that does not say; no batch axis, ? for an "
        "open extent",
        parse=InputShape.parse,
        record=str,
        metavar="INPUT=32,32,3",
        many=True,
    )
    architecture: Architecture | None = option(
        None,
        About.FILE,
        "for a file of weights alone: what model.to_json() gave, or applications:NAME (as applications:ResNet50)",
        parse=Architecture.of,
        record=Architecture.as_json,
        metavar="FILE",
    )
    limits: tuple[Limit, ...] = option(
        (),
        About.FILE,
        "another value for a limit that files are held to, see docs/limits.md",
        parse=Limit.parse,
        record=str,
        metavar="NAME=NUMBER",
        flag="limit",
        many=True,
        ordered=False,
    )
    class_name: str | None = option(
        None,
        About.BUNDLE,
        "what the class in model.py is called (default: the model's name)",
        parse=parse_class_name,
        metavar="NAME",
        batch=False,
    )
    dtype: str | None = option(
        None,
        About.BUNDLE,
        "what weights are rounded to and stored in (default: float32, or float64 where Keras has that); load_model "
        "computes in float32 unless told otherwise",
        choices=DTYPES,
    )
    fuse_batchnorm: bool = option(
        False,
        About.BUNDLE,
        "put each batch normalization into the weights of the layer before it: for inference alone, since the model no "
        "longer trains as it did",
    )
    hub_mixin: bool = option(
        False,
        About.BUNDLE,
        "give the class from_pretrained and push_to_hub (PyTorchModelHubMixin); model.py then needs huggingface_hub",
    )

    def __post_init__(self) -> None:
        for name, (declared, _) in OPTIONS.items():
            declared.check(name, getattr(self, name))
        if len(self.input_shape) > 1:
            raise UsageError("--input-shape is for a Sequential, which has one input")
        if self.fuse_batchnorm and self.dtype:
            raise UsageError(
                "--fuse-batchnorm computes weights, and what --dtype rounds must be as Keras has it"
            )
        names = [replacement.layer for replacement in self.replace]
        if len(set(names)) != len(names):
            raise UsageError("a layer is to be replaced twice")
        if len({limit.name for limit in self.limits}) != len(self.limits):
            raise UsageError("a limit is given twice")

    @classmethod
    def of(cls, **asked: Unpack[Asked]) -> Self:
        """The options as a caller spells them, with the files they name. Raises `UsageError`."""
        given: Mapping[str, Any] = asked
        unknown = given.keys() - OPTIONS.keys()
        if unknown:
            raise TypeError(f"no option {min(unknown)!r}; there are {', '.join(OPTIONS)}")
        return cls(**{name: OPTIONS[name][0].parsed(value) for name, value in given.items()})

    def used_by(self, unused: Collection[str], architecture: bytes | None) -> Self:
        """These options without those that a file had no use for, and with the architecture that was read."""
        kept: dict[str, Any] = {name: default for name, (_, default) in OPTIONS.items() if name in unused}
        if self.architecture is not None and "architecture" not in unused:
            kept["architecture"] = Architecture(self.architecture.name, architecture)
        return dataclasses.replace(self, **kept)

    @classmethod
    def from_json(
        cls,
        recorded: Mapping[str, Any],
        *,
        bundle: Path,
        layers: Sequence[UserFile] = (),
        replace: Sequence[Replacement] = (),
    ) -> Self:
        """What `as_json` gave, with the caller's own files, which a manifest does not hold.

        The architecture of weights is in the `bundle`. Raises `UsageError` where these are not what was recorded.
        """
        kept: dict[str, Any] = {
            name: declared.parsed(recorded[name])
            for name, (declared, _) in OPTIONS.items()
            if name in recorded and declared.about is not About.CODE and name != "architecture"
        }
        if "architecture" in recorded:
            text = Architecture.of(bundle / ARCHITECTURE_FILE).text
            kept["architecture"] = Architecture(recorded["architecture"]["name"], text)
            if kept["architecture"].as_json() != recorded["architecture"]:
                raise UsageError(f"{ARCHITECTURE_FILE} is not the one of the conversion", file=str(bundle))
        options = cls(**kept, layers=tuple(layers), replace=tuple(replace))
        now = options.as_json()
        for key in ("layers", "replace"):
            if now.get(key, []) != recorded.get(key, []):
                names = ", ".join(entry["file"] for entry in recorded.get(key, []))
                raise UsageError(
                    f"the bundle was made {f'with --{key} of {names}' if names else f'without --{key}'}: "
                    "verifying needs the same, unchanged"
                )
        return options

    def as_json(self) -> dict[str, Any]:
        """The layout, and whatever else was asked for."""
        return {
            name: declared.recorded(getattr(self, name))
            for name, (declared, default) in OPTIONS.items()
            if name == "io_layout" or getattr(self, name) != default
        }


OPTIONS = options_of(ConversionOptions)
"""Every option by its name, with its default."""

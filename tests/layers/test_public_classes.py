"""The registry against the libraries themselves: every layer class that a file can name is known.

What the libraries offer is read from their installed packages as text; neither is imported.
"""

import ast
import importlib.util
from pathlib import Path

import pytest

from keras2torch.graph.entries import MODEL_CLASSES
from keras2torch.layers._registry import cannot_all, converts_all, rules
from keras2torch.source.model import Generation

NO_LAYERS = {"Input", "InputSpec"}
"""What the libraries export beside layers, and spell as classes."""

BEYOND_TF_KERAS = {
    # Read by its deserialiser (`tf_keras/src/layers/serialization.py`), exported nowhere.
    *("BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization", "BatchNormalizationBase"),
    *("LSTMV1", "LSTMV2", "GRUV1", "GRUV2", "LSTMCellV1", "LSTMCellV2", "GRUCellV1", "GRUCellV2"),
    *("CuDNNLSTM", "CuDNNGRU", "DeviceWrapper", "DropoutWrapper", "ResidualWrapper", "_RNNCellWrapper"),
    *(
        "TFOpLambda",
        "SlicingOpLambda",
        "TensorFlowOpLayer",
        "ClassMethod",
        "InstanceMethod",
        "InstanceProperty",
    ),
    *("AddLoss", "AddMetric", "BaseRandomLayer"),
    *("SequenceFeatures", "LinearModel", "WideDeepModel"),
    # Layers of older versions, which files outlive.
    *("CategoricalEncoding", "CategoryCrossing"),
}
VANISHED = {
    # Keras 1, and Keras 2 beside what tf.keras took over.
    *("Merge", "MaxoutDense", "Highway", "TimeDistributedDense", "ParametricSoftplus", "SReLU"),
    *("AtrousConvolution1D", "AtrousConvolution2D", "AtrousConv1D", "AtrousConv2D"),
    *("Deconvolution2D", "Deconvolution3D", "Recurrent", "ConvRecurrent2D", "ConvLSTM2DCell"),
}

ELSEWHERE: set[str] = set()
"""Classes whose rules are still to come; whoever writes one takes its name out."""


def _exported(package: str, *files: str) -> set[str]:
    """Names of layer classes that the given `__init__` files of an installed package import."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    names = set()
    for file in files:
        for node in ast.walk(ast.parse((root / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    names |= {alias.asname or alias.name, alias.name}
    return {name for name in names if name[0].isupper()} - NO_LAYERS


KERAS3 = _exported("keras", "layers/__init__.py", "_tf_keras/keras/layers/__init__.py")
TF_KERAS = BEYOND_TF_KERAS | _exported(
    "tf_keras",
    "api/_v2/keras/layers/__init__.py",
    "api/_v1/keras/layers/__init__.py",
    "layers/experimental/__init__.py",
)
KNOWN = {*rules(), *(entry.name for entry in cannot_all())} | MODEL_CLASSES


def test_the_lists_are_those_of_whole_libraries() -> None:
    assert len(KERAS3) >= 165
    assert len(TF_KERAS) >= 150
    assert "MultiHeadAttention" in KERAS3 & TF_KERAS
    assert "RandomHeight" in KERAS3 & TF_KERAS


def test_every_class_is_converted_or_known_to_be_inconvertible() -> None:
    assert sorted((KERAS3 | TF_KERAS | VANISHED) - KNOWN - ELSEWHERE) == []


def test_what_is_said_to_come_is_not_there_yet() -> None:
    assert sorted(ELSEWHERE & KNOWN) == [], "landed: take these out of ELSEWHERE"


CLASSES = [(rule.classes, rule.generations) for rule in converts_all()] + [
    ((entry.name,), entry.generations) for entry in cannot_all()
]


@pytest.mark.parametrize(
    ("classes", "generations"),
    [pytest.param(*each, id=each[0][0]) for each in CLASSES if set(each[0]) & (KERAS3 | TF_KERAS | VANISHED)],
)
def test_a_class_is_of_the_generations_that_have_it(
    classes: tuple[str, ...], generations: frozenset[Generation]
) -> None:
    names = set(classes)
    assert (Generation.KERAS3 in generations) == bool(names & KERAS3)
    if names & TF_KERAS:
        assert Generation.TF_KERAS in generations
    if not names & (TF_KERAS | VANISHED):
        assert generations == {Generation.KERAS3}

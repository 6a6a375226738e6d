"""Refusals of random models that are right, and what is then left that nobody expects."""

import re
from collections.abc import Mapping

from tests.randoms.verdicts import Verdict

REFUSALS: Mapping[str, str] = {
    r"EinsumDense: a bias of shape .* Keras # adds it along another axis": "Keras's backends disagree",
    r"\w+: normalises groups of one number": "a layer that says nothing, and PyTorch raises on it in a batch of one",
    r"TimeDistributed: a mask reaches \w+ inside a TimeDistributed": "Keras hands it one number a sample, of no use",
    r"TimeDistributed: attention inside it runs along the batch": "as it does in Keras, to nobody's use",
    r"MultiHeadAttention: attention over axes of open extent": "of several at once",
    r"Conv#D: channels_first with more axes": "no library runs it",
    r"TFOpLambda: # elements in parts of": "one of which is empty",
    r"\w+: axis .*: Keras (multiplies the last axes|scales the axes)": "Keras fails, or scales along other axes",
    r"Unstack: # elements in # parts": "no library runs it",
    r"STFTSpectrogram: a mask reaches": "sound has no masks",
    r"\w+: reads a tensor without elements": "there is nothing to convert, nor to compare",
    r"GetItem: a slice without elements": "no more is there then",
    r"TFOpLambda: a sum over # and # elements": "behind a layer of channels first whose shape tf_keras knows wrong",
    r"\w+: a shared layer is called in two ways": "behind a mask and without one, which are two modules of torch",
    r"LayerNormalization: the number of features is not known": "over an open axis, which leaves no weights to have",
    r"ForbiddenStorage: not plain numbers \(opaque\)": "bfloat16 without its name, from tf_keras",
    r"CenterCrop: .* enlarges a crop without pixels": "tf_keras fails, where it can run what stands before",
    r"\w+: unroll=True backwards over masked steps": "Keras zeroes the wrong ones",
    r"Concatenate: masks of different rank meet": "one of them is no mask of steps",
    r"GetItem: a backward slice of an open axis": "where it begins is known only at run time",
}
"""Reasons, as `Verdict.signs` spells them, and why they stay."""


def surprises(verdict: Verdict) -> list[str]:
    """The signs of a verdict that are faults: of ours, or refusals that nobody has looked at."""
    if verdict.kind in {"passed", "unjudged"}:
        return []
    if verdict.kind == "refused":
        return [sign for sign in verdict.signs if not any(re.match(known, sign) for known in REFUSALS)]
    return [f"{verdict.kind} {sign}" for sign in verdict.signs]

"""`python -m tests.fuzz.drive TARGET CORPUS -flag=...`: the process in which libFuzzer drives one target.

Coverage is counted in the reader, the normaliser and pyfive, so that an input that reaches a new line of them is kept.
"""

import sys

import atheris

with atheris.instrument_imports(include=["keras2torch", "pyfive"]):
    from keras2torch.layers import _registry
    from tests.fuzz.seeds import mutated_document
    from tests.fuzz.targets import TARGETS

    _registry.rules()  # else the first model would load them, and none of their lines would count


def _mutated(data: bytes, largest: int, seed: int) -> bytes:
    """Now and then any bytes, mostly a document that is one still."""
    found = data if seed % 8 == 0 else mutated_document(data, seed)
    return atheris.Mutate(data, largest) if found == data or len(found) > largest else found


def main(target: str, arguments: list[str]) -> None:
    """Drive `target` until libFuzzer has enough; never returns."""
    mutator = {"custom_mutator": _mutated} if target == "configs" else {}
    atheris.Setup([sys.argv[0], *arguments], TARGETS[target], **mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

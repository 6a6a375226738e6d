"""Judge many random models, and show each fault on the smallest model that has it.

`python -m tests.randoms` runs 2,000 seeds, half of them on either library; `SEED=n` in the environment repeats one,
`FIRST` and `COUNT` choose others. Ends with 1 if any model departs, fails, or is refused for a reason that is not
among the known ones.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keras2torch.parity.verify import Verifier
from keras2torch.sandbox import Sandbox
from tests.randoms.expected import surprises
from tests.randoms.printing import as_code
from tests.randoms.recipe import classes_in
from tests.randoms.shrink import shrunk
from tests.randoms.verdicts import Verdict, judged

BATCH = 25


def library_of(seed: int) -> str:
    return ("keras", "tf_keras")[seed % 2]


def verdicts(
    seeds: Sequence[int], sandboxes: Mapping[str, Sandbox], folder: Path
) -> Iterator[tuple[str, int, Verdict]]:
    """Library, seed and verdict of each, a batch at a time; a batch that kills its child is tried one by one."""
    for library in ("keras", "tf_keras"):
        own = [seed for seed in seeds if library_of(seed) == library]
        for begin in range(0, len(own), BATCH):
            yield from _batch(library, own[begin : begin + BATCH], sandboxes, folder)


def _batch(
    library: str, seeds: Sequence[int], sandboxes: Mapping[str, Sandbox], folder: Path
) -> Iterator[tuple[str, int, Verdict]]:
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            found = judged(library, [str(seed) for seed in seeds], sandboxes, Path(place))
        except AssertionError as error:
            if len(seeds) == 1:
                yield (
                    library,
                    seeds[0],
                    Verdict(str(seeds[0]), "fails", ("the child died",), (str(error)[-500:],), None),
                )
                return
            found = None
    if found is not None:
        for seed in seeds:
            yield library, seed, found[str(seed)]
        return
    for seed in seeds:
        yield from _batch(library, [seed], sandboxes, folder)


def show(library: str, seed: int, verdict: Verdict, sandboxes: Mapping[str, Sandbox], folder: Path) -> None:
    """Print a fault, and the smallest model that has it."""
    if verdict.recipe is not None:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            verdict = shrunk(verdict, library, sandboxes, Path(place))
    print(f"SEED={seed} ({library}) {verdict.kind}: {'; '.join(verdict.signs)}")
    print("\n".join(f"    {line}" for line in verdict.detail[-8:]))
    if verdict.recipe is not None:
        print(as_code(verdict.recipe, library), flush=True)


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m tests.randoms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    first, count = int(os.environ.get("FIRST", "0")), int(os.environ.get("COUNT", "2000"))
    seeds = [int(os.environ["SEED"])] if "SEED" in os.environ else list(range(first, first + count))
    kinds: Counter[str] = Counter()
    refusals: Counter[str] = Counter()
    unjudged: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    shown: set[str] = set()
    bad = []
    with Verifier() as verifier, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for done, (library, seed, verdict) in enumerate(verdicts(seeds, verifier.sandboxes, folder), 1):
            kinds[verdict.kind] += 1
            refusals.update(verdict.signs if verdict.kind == "refused" else ())
            unjudged.update(verdict.signs if verdict.kind == "unjudged" else ())
            if verdict.recipe is not None and verdict.kind == "passed":
                classes.update(set(classes_in(verdict.recipe)))
            new = surprises(verdict)
            if new:
                bad.append(seed)
            if set(new) - shown or len(seeds) == 1:
                shown.update(new)
                show(library, seed, verdict, verifier.sandboxes, folder)
            if done % 100 == 0:
                print(f"{done} of {len(seeds)}: {dict(kinds)}", flush=True)
    print(f"seeds {seeds[0]} to {seeds[-1]}: {dict(kinds)}")
    for title, counts in (("refused", refusals), ("not judged, as Keras cannot run it", unjudged)):
        for sign, number in counts.most_common():
            print(f"{title}: {number:4} {sign}")
    print(
        f"{len(classes)} layers and operations in models that passed; least often: {classes.most_common()[:-21:-1]}"
    )
    print(f"seeds with faults: {bad}" if bad else "no faults")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

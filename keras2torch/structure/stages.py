"""Straight chains within a body: runs of blocks become stages, runs of plain layers an `nn.Sequential`, and runs of
blocks that take more than one value an `nn.ModuleList` with a loop over it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from keras2torch.emit.names import numbered
from keras2torch.structure.block import Block
from keras2torch.structure.body import Line, Member, readers
from keras2torch.structure.construction import Construction
from keras2torch.structure.loops import LEAST_CALLS, Run, loop_runs
from keras2torch.structure.naming import kind_of
from keras2torch.structure.plain import as_modules
from keras2torch.structure.windows import extents

_LEAST_BLOCKS = 2
_ANSWERS = frozenset({"nn.LogSoftmax", "nn.Sigmoid", "nn.Softmax"})
"""With which the part behind the features ends that says which class it is."""
_LEAST_LAYERS = 12
"""Fewer are as well read by their names."""


def find_stages(block: Block) -> None:
    """Put runs of blocks that follow one another into attributes of `block`: `nn.Sequential`, or `nn.ModuleList`."""
    chains = [Run(run, {0: 0}) for run in _runs(block, _is_block)]
    stages = [each for run in chains for each in _split(run) if len(each.lines) >= _LEAST_BLOCKS]
    loops = [each for run in loop_runs(block) for each in _split(run) if len(each.lines) >= LEAST_CALLS]
    runs = sorted((*stages, *loops), key=lambda run: block.lines.index(run.lines[0]))
    apart = len({id(run.value_in(run.lines[0])) for run in runs}) == len(runs)
    kinds = ["branch" if not apart and _is_branch(block, run) else "stage" for run in runs]
    wishes = [f"{kind}{kinds[: number + 1].count(kind)}" for number, kind in enumerate(kinds)]
    wishes = ["blocks"] if len(runs) == 1 else wishes
    names = dict(zip(map(id, runs), _free(block, wishes), strict=True))
    _contain(block, [run.lines for run in stages], [names[id(run)] for run in stages])
    for run in loops:
        _loop(block, run, names[id(run)])


def _is_branch(block: Block, run: Run) -> bool:
    """Whether it begins where others do, and ends where something joins it with others."""
    reading = readers(block.lines, block.outputs)
    ends = reading.get(id(run.lines[-1].targets[0]), [])
    joined = all(number < len(block.lines) and len(block.lines[number].reads) > 1 for number in ends)
    return len(reading[id(run.value_in(run.lines[0]))]) > 1 and joined


def find_sequences(block: Block) -> None:
    """Put straight chains of plain layers into `nn.Sequential` attributes of `block`."""
    chains = [run for run in _runs(block, lambda line: as_modules(line) is not None) if _is_long(run)]
    runs = [part for chain in chains for part in _at_flatten(chain)]
    _contain(block, runs, _free(block, [_content(run) for run in runs]))


def _is_long(run: Sequence[Line]) -> bool:
    return sum(len(as_modules(line) or ()) for line in run) >= _LEAST_LAYERS


def _at_flatten(chain: Sequence[Line]) -> list[list[Line]]:
    """A chain, cut before the layer that flattens: what makes features, and what reads them."""
    for number, line in enumerate(chain):
        if any(module.construction.function == "nn.Flatten" for module in as_modules(line) or ()):
            return [part for part in (list(chain[:number]), list(chain[number:])) if part]
    return [list(chain)]


def _content(run: Sequence[Line]) -> str:
    kinds = {kind_of(member) for line in run for member in line.members}
    if kinds & {"conv", "depthwise", "conv_transpose"}:
        return "features"
    made = [module.construction.function for line in run for module in as_modules(line) or ()]
    if made[0] != "nn.Flatten":
        return "layers"
    return "classifier" if made[-1] in _ANSWERS else "head"


def _free(block: Block, names: Sequence[str]) -> list[str]:
    """The names, numbered where an attribute has them already."""
    taken = {member.name.split(".")[0] for member in (*block.members, *block.containers)}
    found = []
    for wish in names:
        name = numbered(wish, lambda name: name not in taken)
        taken.add(name)
        found.append(name)
    return found


def _is_block(line: Line) -> bool:
    applied = line.applied()
    return applied is not None and applied[0].block is not None


def _runs(block: Block, fits: Callable[[Line], bool]) -> Iterator[list[Line]]:
    """Maximal stretches of lines that fit, each of which reads only what the one before it computes."""
    reading = readers(block.lines, block.outputs)
    uses = Counter(id(piece) for line in block.lines for piece in line.pieces if isinstance(piece, Member))
    run: list[Line] = []
    for line in block.lines:
        fitting = fits(line) and all(uses[id(member)] == 1 for member in line.members)
        if run and not (fitting and _follows(line, run[-1], reading)):
            yield run
            run = []
        if fitting:
            run.append(line)
    if run:
        yield run


def _follows(line: Line, before: Line, reading: Mapping[int, Sequence[int]]) -> bool:
    return line.reads == list(before.targets) and len(reading[id(before.targets[0])]) == 1


def _split(run: Run) -> list[Run]:
    """A run of blocks, cut where the extents of the tensor change, or where another class begins; but the first of a
    stage may be of a class of its own. A run of nothing but straight chains stays whole.
    """
    if not any(member.block and member.block.joins for line in run.lines for member in line.members):
        return [run]
    stages: list[list[Line]] = []
    for number, line in enumerate(run.lines):
        resized = extents(run.value_in(line)) != extents(run.value_out(line))
        other = number > 0 and line.members[0].block is not run.lines[number - 1].members[0].block
        if not stages or resized or (other and len(stages[-1]) > 1):
            stages.append([])
        stages[-1].append(line)
    return [Run(stage, run.moves) for stage in stages]


def _contain(block: Block, runs: Sequence[Sequence[Line]], names: Sequence[str]) -> None:
    """Replace each run by one line that calls a container of its modules."""
    for run, name in zip(runs, names, strict=True):
        made = [as_modules(line) or [] for line in run]
        items = [member for members in made for member in members]
        container = Member(name, Construction("nn.Sequential"), items=items)
        for number, item in enumerate(items):
            item.name = f"{name}.{number}"
        for line, members in zip(run, made, strict=True):
            block.unbound[id(line.targets[0])] = members[-1]
        block.containers.append(container)
        first, last = run[0], run[-1]
        whole = replace(first, targets=last.targets, pieces=(container, "(", first.reads[0], ")"))
        _replace(block, run, whole)


def _loop(block: Block, run: Run, name: str) -> None:
    """Replace a run by a loop over a list of its modules."""
    items = [line.members[0] for line in run.lines]
    container = Member(name, Construction("nn.ModuleList"), items=items)
    for number, item in enumerate(items):
        item.name = f"{name}.{number}"
    block.containers.append(container)
    _replace(block, run.lines, run.looped(container))


def _replace(block: Block, run: Sequence[Line], whole: Line) -> None:
    start = block.lines.index(run[0])
    block.lines[start : start + len(run)] = [whole]

"""The columns of the list of jobs: what each is called, and which are shown unless the reader says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column; `name` is its word in an address."""

    name: str
    title: str
    shown: bool = True
    number: bool = False


COLUMNS = (
    Column("state", "State"),
    Column("tries", "Tries", number=True),
    Column("float64", "Float64 error", number=True),
    Column("float32", "Float32 error", number=True),
    Column("size", "Size", shown=False, number=True),
    Column("took", "Took", number=True),
    Column("options", "Options", shown=False),
    Column("worker", "Worker", shown=False),
    Column("error", "What went wrong"),
    Column("created", "Created", shown=False),
    Column("finished", "Finished"),
)


def chosen(names: Sequence[str]) -> tuple[Column, ...]:
    """The columns of these names, in their own order; without any that exists, those shown by default."""
    wanted = {name for each in names for name in each.split(",")}
    found = tuple(column for column in COLUMNS if column.name in wanted)
    return found or tuple(column for column in COLUMNS if column.shown)

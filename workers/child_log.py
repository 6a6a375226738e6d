"""What the children of one attempt said on stdout and stderr, step by step, within bounds."""

from keras2torch.errors import one_line

#: Of all steps together, in characters; each step's end was kept by the sandbox already.
_LONGEST = 1 << 20
#: A line may hold names out of the file.
LONGEST_LINE = 4000


def heading(stage: str, step: str) -> str:
    """The line above what the child of a step said."""
    return f"--- {stage}: {step}"


class ChildLog:
    """Grows by one section a step that said anything."""

    def __init__(self) -> None:
        self._sections: list[str] = []

    def add(self, stage: str, step: str, said: str) -> None:
        """`said` is the end of what the child of a step wrote; control characters in it are shown, not obeyed."""
        if said.strip():
            lines = [one_line(line, LONGEST_LINE) for line in said.rstrip("\n").split("\n")]
            self._sections.append("\n".join([heading(stage, step), *lines, ""]))

    def content(self) -> bytes:
        """The log as a file; empty if nobody said anything."""
        return "".join(self._sections)[-_LONGEST:].encode()

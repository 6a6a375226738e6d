"""Compiles `FUNCTIONS` with the Python that runs this file, 2.7 or newer, and adds them to compiled.json beside it.

python3.9 tests/bytecode/compile_functions.py
"""
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, S102, SIM115, TID251, UP020
# mypy: ignore-errors
# Python 2 has no annotations and no pathlib; and marshal is banned for reading, which is not done here.

import base64
import io
import json
import marshal
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def compiled(source, closure):
    """The marshalled code of a function, and its defaults."""
    names = {}
    exec(compile("f = " + source if source.startswith("lambda") else source, "f.py", "exec"), names)
    (function,) = [value for key, value in names.items() if key != "__builtins__"]
    if function.__name__ == "make":
        function = function(*closure)
    return {
        "code": base64.b64encode(marshal.dumps(function.__code__)).decode("ascii"),
        "defaults": function.__defaults__,
        "closure": [cell.cell_contents for cell in function.__closure__] if function.__closure__ else None,
    }


def main():
    sys.path.insert(0, HERE)
    from functions import CLOSURE, FUNCTIONS

    path = os.path.join(HERE, "compiled.json")
    known = json.loads(io.open(path).read()) if os.path.exists(path) else {}
    python = ".".join(str(n) for n in sys.version_info[:2])
    known[python] = {name: compiled(source, CLOSURE) for name, (source, _) in sorted(FUNCTIONS.items())}
    text = json.dumps(known, indent=1, sort_keys=True)
    with io.open(path, "wb") as file:
        file.write((text + "\n").encode("ascii"))


if __name__ == "__main__":
    main()

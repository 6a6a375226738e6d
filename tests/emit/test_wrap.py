"""Long statements over several lines: the same statement, in lines that fit."""

import ast
import random

import pytest

from keras2torch.emit.wrap import wrapped

LONG = "a_name_that_takes_up_much_of_a_line"


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("x = f(a, b)", ["x = f(a, b)"]),
        (
            f"        self.conv = nn.Conv2d({', '.join(f'argument_{i}={i}' for i in range(6))})",
            [
                "        self.conv = nn.Conv2d(",
                "            argument_0=0, argument_1=1, argument_2=2, argument_3=3, argument_4=4, argument_5=5",
                "        )",
            ],
        ),
        (
            f"x = torch.cat([{LONG}, {LONG}, {LONG}], dim=1)",
            [
                "x = torch.cat(",
                "    [",
                *[f"        {LONG},"] * 3,
                "    ],",
                "    dim=1,",
                ")",
            ],
        ),
        (
            f'x = f("{"," * 60}", "({"[" * 40}")',
            ["x = f(", f'    "{"," * 60}",', f'    "({"[" * 40}",', ")"],
        ),
        (
            f"    def forward(self, {LONG}: torch.Tensor, {LONG}_2: torch.Tensor) -> torch.Tensor:",
            [
                "    def forward(",
                "        self,",
                f"        {LONG}: torch.Tensor,",
                f"        {LONG}_2: torch.Tensor,",
                "    ) -> torch.Tensor:",
            ],
        ),
        # Parentheses round an operand: no comma, which would make a tuple of it.
        (
            f"x = ({LONG} + torch.sqrt({LONG} * {LONG} + 4)) / 2",
            ["x = (", f"    {LONG} + torch.sqrt(", f"        {LONG} * {LONG} + 4", "    )", ") / 2"],
        ),
        (f"x = {LONG * 3}", [f"x = {LONG * 3}"]),
    ],
)
def test_how_lines_break(line: str, lines: list[str]) -> None:
    assert wrapped(line) == lines


def expression(rng: random.Random, depth: int) -> str:
    """Some expression of the kinds that rules write."""
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(["x", LONG, "1.5", '"a, (b] \\" c"', "self.conv2d_1", "(1, 2)", "(0,)"])
    parts = [expression(rng, depth - 1) for _ in range(rng.randint(1, 4))]
    kind = rng.randrange(6)
    if kind == 0:
        return f"f({', '.join(parts)})"
    if kind == 1:
        return f"torch.where({', '.join(parts[:-1] or ['x'])}, key={parts[-1]})"
    if kind == 2:
        return f"({parts[0]} + {parts[-1]})"
    if kind == 3:
        return f"[{', '.join(parts)}]"
    if kind == 4:
        return f"{LONG}[{', '.join(parts)}]"
    return f"({parts[0]}).sum(dim=1)"


def test_a_broken_statement_is_the_same_statement() -> None:
    for seed in range(300):
        line = f"x = {expression(random.Random(seed), 4)}"
        lines = wrapped(line)
        assert ast.dump(ast.parse("\n".join(lines))) == ast.dump(ast.parse(line)), line

"""Loops and masks against the modules of `nn`, row by row and step by step."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.functional import relu, softsign

from keras2torch.parts.recurrent import (
    RecurrentDropout,
    Stateful,
    StepByStep,
    StepByStepGRU,
    StepByStepLSTM,
    StepByStepRNN,
    hard_sigmoid,
    last_cell_state,
    last_valid,
    reverse_valid,
    spread_valid,
    valid_first,
)

FEATURES, UNITS = 3, 4
KINDS: dict[str, tuple[Callable[..., nn.RNNBase], Callable[..., StepByStep]]] = {
    "rnn": (nn.RNN, StepByStepRNN),
    "lstm": (nn.LSTM, StepByStepLSTM),
    "gru": (nn.GRU, StepByStepGRU),
}
MASK = torch.tensor(
    [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [1, 0, 0, 1, 0, 1],
        [0, 0, 0, 0, 0, 0],
    ],
    dtype=torch.bool,
)
State = torch.Tensor | tuple[torch.Tensor, ...]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    torch.manual_seed(0)
    return str(request.param)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(5, 6, FEATURES, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def twins(kind: str) -> tuple[nn.RNNBase, StepByStep]:
    """The module of `nn` and the loop, with the same weights."""
    module_class, loop_class = KINDS[kind]
    module = module_class(FEATURES, UNITS, batch_first=True).double()
    loop = loop_class(FEATURES, UNITS).double()
    weights = dict[str, torch.Tensor](module.named_parameters())
    if kind != "gru":  # the loop has one bias
        weights["bias_ih_l0"] = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    state = {
        "input.weight": weights["weight_ih_l0"],
        "input.bias": weights["bias_ih_l0"],
        "recurrent.weight": weights["weight_hh_l0"],
        "recurrent.bias": weights["bias_hh_l0"],
    }
    loop.load_state_dict({name: state[name] for name in loop.state_dict()})
    return module, loop


def start_of(kind: str) -> State:
    h, c = torch.randn(2, 1, 5, UNITS, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    return (h, c) if kind == "lstm" else h


def over_valid_steps(
    rnn: nn.Module, x: torch.Tensor, start: State | None = None, *, zero_masked: bool = False
) -> torch.Tensor:
    """What is emitted for a masked layer that hands out all steps."""
    return spread_valid(rnn(valid_first(x, MASK), start)[0], MASK, zero_masked=zero_masked)


def parts(state: State) -> tuple[torch.Tensor, ...]:
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("started", [False, True])
def test_the_loop_is_the_module(kind: str, started: bool, x: torch.Tensor) -> None:
    module, loop = twins(kind)
    start = start_of(kind) if started else None
    expected, last = module(x, start)
    actual, state = loop(x, start)
    torch.testing.assert_close(actual, expected)
    for mine, theirs in zip(parts(state), parts(last), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("zero_masked", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_masked_steps_do_not_happen(kind: str, started: bool, zero_masked: bool, x: torch.Tensor) -> None:
    """Each row alone, without its masked steps, through the module."""
    module, loop = twins(kind)
    start = start_of(kind) if started else None
    actual, state = loop(x, start, mask=MASK, zero_masked=zero_masked)
    for row, valid in enumerate(MASK):
        own = None if start is None else _row(start, row)
        made, last = module(x[row : row + 1, valid], own) if valid.any() else (None, own)
        output, steps = torch.zeros(UNITS, dtype=torch.float64), iter(made[0] if made is not None else ())
        for t in range(x.shape[1]):
            output = next(steps) if valid[t] else output
            torch.testing.assert_close(actual[row, t], output if valid[t] or not zero_masked else output * 0)
        for mine, theirs in zip(parts(state), parts(last) if last is not None else (), strict=False):
            torch.testing.assert_close(mine[:, row], theirs[:, 0])


def _row(state: State, row: int) -> State:
    picked = tuple(part[:, row : row + 1].contiguous() for part in parts(state))
    return picked if isinstance(state, tuple) else picked[0]


@pytest.mark.parametrize("zero_masked", [False, True])
@pytest.mark.parametrize("started", [False, True])
def test_moving_valid_steps_together_is_the_masked_loop(
    kind: str, started: bool, zero_masked: bool, x: torch.Tensor
) -> None:
    module, loop = twins(kind)
    start = start_of(kind) if started else None
    expected, _ = loop(x, start, mask=MASK, zero_masked=zero_masked)
    torch.testing.assert_close(over_valid_steps(module, x, start, zero_masked=zero_masked), expected)


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_state_behind_the_valid_steps_is_that_of_the_masked_loop(
    kind: str, started: bool, bias: bool, x: torch.Tensor
) -> None:
    module, loop = twins(kind)
    if not bias:
        for name, parameter in (*module.named_parameters(), *loop.named_parameters()):
            if "bias" in name:
                nn.init.zeros_(parameter)
        weights = {name: weight for name, weight in module.state_dict().items() if "bias" not in name}
        module = KINDS[kind][0](FEATURES, UNITS, bias=False, batch_first=True).double()
        module.load_state_dict(weights)
    start = start_of(kind) if started else None
    _, expected = loop(x, start, mask=MASK)
    front = valid_first(x, MASK)
    outputs, _ = module(front, start)
    begun = None if start is None else tuple(part[0] for part in parts(start))
    state = [last_valid(outputs, MASK, *(begun or ())[:1])]
    if isinstance(module, nn.LSTM):
        cells = None if begun is None else (begun[0], begun[1])
        state.append(last_cell_state(module, front, outputs, MASK, cells))
    for mine, theirs in zip(state, parts(expected), strict=True):
        torch.testing.assert_close(mine, theirs[0], rtol=0, atol=1e-14)


def test_a_cell_that_keeps_or_forgets_all_is_summed_up_as_well(x: torch.Tensor) -> None:
    """Forget gates of 0 and 1 to the last bit, as saturated ones are, and many steps."""
    module, loop = twins("lstm")
    for bias in (-800.0, 800.0):
        with torch.no_grad():
            for parameter in (module.bias_ih_l0, loop.input.bias):
                assert isinstance(parameter, torch.Tensor)
                parameter[UNITS : 2 * UNITS] = bias
        many, mask = x.repeat(1, 50, 1), MASK.repeat(1, 50)
        _, (_, expected) = loop(many, mask=mask)
        front = valid_first(many, mask)
        assert isinstance(module, nn.LSTM)
        actual = last_cell_state(module, front, module(front)[0], mask)
        torch.testing.assert_close(actual, expected[0], rtol=0, atol=1e-12)


def test_valid_steps_turned_twice_are_as_they_were(x: torch.Tensor) -> None:
    front = valid_first(x, MASK)
    turned = reverse_valid(front, MASK)
    for row, count in enumerate(MASK.sum(dim=1)):
        assert torch.equal(turned[row, :count], front[row, :count].flip(0))
    assert torch.equal(reverse_valid(turned, MASK), front)


def test_masked_inputs_get_no_gradient(kind: str, x: torch.Tensor) -> None:
    module, loop = twins(kind)
    for run in (
        lambda given: over_valid_steps(module, given),
        lambda given: loop(given, mask=MASK)[0],
    ):
        given = x.clone().requires_grad_()
        run(given).square().sum().backward()
        assert given.grad is not None
        assert (given.grad[~MASK] == 0).all()
        assert (given.grad[MASK] != 0).all()


def test_gradients_are_those_of_the_function(kind: str, x: torch.Tensor) -> None:
    _, loop = twins(kind)
    few = x[:4, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loop(given, mask=MASK[:4, :3])[0], (few,))


def test_reset_before_the_weights(x: torch.Tensor) -> None:
    """The original GRU, gate by gate."""
    loop = StepByStepGRU(FEATURES, UNITS, relu, hard_sigmoid, reset_after=False).double()
    assert "recurrent.bias" not in loop.state_dict()
    (w_r, w_z, w_n), (u_r, u_z, u_n) = loop.input.weight.chunk(3), loop.recurrent.weight.chunk(3)
    b_r, b_z, b_n = loop.input.bias.chunk(3)
    h = torch.zeros(5, UNITS, dtype=torch.float64)
    outputs, _ = loop(x)
    for t in range(x.shape[1]):
        r = hard_sigmoid(x[:, t] @ w_r.T + h @ u_r.T + b_r)
        z = hard_sigmoid(x[:, t] @ w_z.T + h @ u_z.T + b_z)
        h = z * h + (1 - z) * relu(x[:, t] @ w_n.T + (r * h) @ u_n.T + b_n)
        torch.testing.assert_close(outputs[:, t], h)


def test_activations_are_called_where_they_belong(x: torch.Tensor) -> None:
    h = c = torch.zeros(5, UNITS, dtype=torch.float64)
    loop = StepByStepLSTM(FEATURES, UNITS, softsign, lambda gate: torch.softmax(gate, dim=-1)).double()
    outputs, _ = loop(x)
    for t in range(x.shape[1]):
        i, f, g, o = (loop.input(x[:, t]) + loop.recurrent(h)).chunk(4, dim=1)
        c = torch.softmax(f, -1) * c + torch.softmax(i, -1) * softsign(g)
        h = torch.softmax(o, -1) * softsign(c)
        torch.testing.assert_close(outputs[:, t], h)


def test_without_bias_there_is_none(kind: str) -> None:
    loop = KINDS[kind][1](FEATURES, UNITS, bias=False)
    assert {name for name, _ in loop.named_parameters()} == {"input.weight", "recurrent.weight"}


def test_hard_sigmoid_has_slope_one_fifth() -> None:
    points = torch.tensor([-9.0, -2.5, -1.0, 0.0, 1.0, 2.5, 9.0])
    torch.testing.assert_close(hard_sigmoid(points), torch.tensor([0.0, 0.0, 0.3, 0.5, 0.7, 1.0, 1.0]))


class _Masked(nn.Module):
    """Everything that is emitted for masked layers, on both directions."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(FEATURES, UNITS, batch_first=True)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = valid_first(x, mask)
        outputs, _ = self.lstm(x)
        c = last_cell_state(self.lstm, x, outputs, mask)
        back, _ = self.lstm(reverse_valid(x, mask))
        back = spread_valid(reverse_valid(back, mask), mask, zero_masked=True)
        return spread_valid(outputs, mask) + back + last_valid(outputs, mask)[:, None] + c[:, None]


class _Looped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = StepByStepLSTM(FEATURES, UNITS, recurrent_activation=hard_sigmoid)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.lstm(x, mask=mask)[0]
        return outputs


# torch says so of every nn.LSTM that is exported.
@pytest.mark.filterwarnings("ignore:The tensor attributes self.lstm._flat_weights:UserWarning")
@pytest.mark.parametrize("make", [_Masked, _Looped])
def test_exports_for_any_batch_size(make: Callable[[], nn.Module], x: torch.Tensor) -> None:
    model = make().double().eval()
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (x, MASK), dynamic_shapes=({0: batch}, {0: batch}))
    torch.testing.assert_close(program.module()(x[:3], MASK[:3]), model(x[:3], MASK[:3]))


@pytest.mark.parametrize("inner", [nn.LSTM, nn.GRU, StepByStepLSTM])
def test_states_are_kept_until_they_are_reset(inner: Callable[..., nn.Module], x: torch.Tensor) -> None:
    torch.manual_seed(0)
    extra = {} if inner is StepByStepLSTM else {"batch_first": True}
    rnn = inner(FEATURES, UNITS, **extra).double()
    stateful = Stateful(rnn, (1, 5, UNITS), cell_state=inner is not nn.GRU).double()
    whole, _ = rnn(x)
    for _ in range(2):
        pieces = [stateful(x[:, :2])[0], stateful(x[:, 2:])[0]]
        torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-14)
        stateful.reset_states()
    stateful.reset_states(batch_size=2)
    torch.testing.assert_close(stateful(x[:2])[0], whole[:2], rtol=0, atol=1e-14)


def test_states_survive_an_export(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    stateful = Stateful(StepByStepGRU(FEATURES, UNITS), (1, 5, UNITS)).double().eval()
    exported = torch.export.export(stateful, (x,)).module()
    stateful.reset_states()
    for _ in range(2):
        torch.testing.assert_close(exported(x)[0], stateful(x)[0], rtol=0, atol=1e-14)


def test_states_carry_no_gradient_from_call_to_call(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    stateful = Stateful(nn.GRU(FEATURES, UNITS, batch_first=True), (1, 5, UNITS)).double()
    first = x.clone().requires_grad_()
    stateful(first)
    stateful(x)[0].sum().backward()
    assert first.grad is None
    assert all(weight.grad is not None for weight in stateful.parameters())


@pytest.mark.parametrize("settings", [{}, {"bias": False}])
def test_dropping_nothing_of_the_state_is_the_plain_recurrence(
    kind: str, settings: dict[str, bool], x: torch.Tensor
) -> None:
    module = KINDS[kind][0](FEATURES, UNITS, batch_first=True, **settings).double()
    dropping = RecurrentDropout(module, 0.0).train()
    expected, _ = module(x)
    outputs, last = dropping(x)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(dropping(x, last)[0], module(x, last)[0])


def test_what_is_dropped_of_the_state_is_dropped_at_every_step() -> None:
    torch.manual_seed(0)
    module = nn.RNN(1, 1000, nonlinearity="relu", bias=False, batch_first=True)
    of_input, of_state = module.all_weights[0]
    nn.init.zeros_(of_input)
    nn.init.eye_(of_state)
    dropping = RecurrentDropout(module, 0.5).train()
    x, ones = torch.zeros(3, 4, 1), torch.ones(1, 3, 1000)
    outputs, _ = dropping(x, ones)
    # What is left doubles with each step; what is dropped once never comes back, nor does what is left ever go.
    assert set(outputs[:, 3].unique().tolist()) == {0.0, 16.0}
    assert torch.equal(outputs[:, 0] == 0, outputs[:, 3] == 0)
    assert abs(float((outputs[:, 3] == 0).float().mean()) - 0.5) < 0.05
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.equal(dropping.eval()(x, ones)[0], torch.ones(3, 4, 1000))

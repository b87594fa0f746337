"""What the page computes with: each operation and each optimizer as a function in JavaScript, and how it is written.

Nothing is derived here. The rules of the table, and the formulas of the optimizers, run on symbols; the tapes that they
write are printed. A function gives the value of an operation and its local derivatives. Each stands in a scope of its
own, so that an operation of the reader's may have any name. Who calls the functions is left to `engine.js`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any

from tinygrad_edu import functional, optim
from tinygrad_edu.compiler.printers import source
from tinygrad_edu.compiler.printers.notation import FORMULA, FUNCTIONS_FOR_USERS, JAVASCRIPT, OF_ONE_LIST
from tinygrad_edu.compiler.symbols import SYMBOLS, Symbol, program_of
from tinygrad_edu.compiler.tape import Builder, make_tape
from tinygrad_edu.engine import Value
from tinygrad_edu.ops import CONSTANT, LEAF
from tinygrad_edu.rules import ATOM, FAMILIES, OPS, Family, Op
from tinygrad_edu.viz._formulas import write_formula, write_local_derivatives, write_results
from tinygrad_edu.viz._pages import embed_json

from ._text import write_call

MOST_INPUTS = 12  # that an operation on any number of inputs has on the page, unless the graph has more
LONGEST_SLOPES = 400  # characters of all local derivatives of an operation; where they have more, numbers are shown
OPTIMIZERS: dict[str, tuple[type[optim.Optimizer], dict[str, float]]] = {
    "SGD": (optim.SGD, {}),
    "momentum": (optim.SGD, {"momentum": 0.9}),
    "Adam": (optim.Adam, {}),
}


class _NotZero(Symbol):
    """A parameter that is not 0, which a rule may ask: the member of a family for 0 is printed by itself."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


def describe_operations(more: Iterable[tuple[Op, int]]) -> tuple[str, dict[str, Any]]:
    """Describes all operations of the table, and more of them, which have other numbers of inputs or are the reader's.

    Returns:
        A list of pairs in JavaScript: the name of an operation, and its function. It takes the parameters of a family,
        then the inputs, and returns a list: the value, and its derivative by each input. And, for each of these names,
        how the operation is written; gaps ⟦0⟧, ⟦1⟧, ⟦y⟧ stand for the inputs and the value, ⟦p0⟧ for a parameter.
    """
    functions, texts = _describe_table()
    more_functions, more_texts = _describe_each([pair for pair in more if _key(*pair) not in texts])
    return f"[\n{functions}{more_functions}]", {**texts, **more_texts}


def _describe_each(operations: Iterable[tuple[Op, int]]) -> tuple[str, dict[str, Any]]:
    functions, texts = [], {}
    for op, arity in operations:
        key = _key(op, arity)
        try:
            functions.append(_pair(key, _write_function(lambda *xs, op=op: _value_and_slopes(op, xs), arity)))
            texts[key] = _describe(op, [f"⟦{i}⟧" for i in range(arity)])
        except TypeError as error:
            raise TypeError(f"operation {op} cannot be explored, as its rule looks at its numbers: {error}") from error
    return "".join(functions), texts


@cache
def _describe_table() -> tuple[str, dict[str, Any]]:
    """The operations and the families of the package, which are the same on each page."""
    printed, texts = _describe_each(_table())
    functions = [printed]
    for name, family in FAMILIES.items():
        count = len(family.examples[0] if family.examples else family.ranges)
        functions.append(_pair(name, _write_function(_member_of(family, count), count + family.arity, count)))
        if count == 1:  # some rules ask whether it is 0
            zero = family.member(0)
            function = _write_function(lambda *xs, op=zero: _value_and_slopes(op, xs), family.arity)
            functions.append(_pair(f"{name}(0)", function))
        texts[name] = _describe_family(family, count)
        for parameters in family.examples:  # those that are common are written by themselves, as x² and 2·x
            numbers = ", ".join([JAVASCRIPT.number(x)[0] for x in parameters])
            texts.setdefault(f"{name}({numbers})", _describe(family.member(*parameters), ["⟦0⟧"]))
    return "".join(functions), texts


def describe_functions() -> dict[str, Any]:
    """What can be called in an expression: how many numbers a function takes, and in what form.

    >>> describe_functions()["where"], describe_functions()["clamp"]
    ({'op': 'where', 'least': 3, 'most': 3}, {'op': 'clamp', 'least': 3, 'most': 3, 'parameters': [None, None]})
    """
    described: dict[str, Any] = {}
    for name in FUNCTIONS_FOR_USERS:
        parameters = signature(getattr(functional, name)).parameters.values()
        required = sum(p.default is Parameter.empty for p in parameters)
        ops = [op for op in OPS.values() if op.function == name]
        entry: dict[str, Any] = {"op": ops[0].name if ops else name}
        if name in OF_ONE_LIST or (ops and ops[0].lists):
            entry["lists"] = ops[0].lists if ops else 1
        elif any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
            entry |= {"least": 2, "many": ops[-1].name}  # more than two are another operation
        else:
            entry |= {"least": required, "most": len(parameters)}
        if name in FAMILIES:
            entry["parameters"] = [None if p.default is Parameter.empty else p.default for p in [*parameters][1:]]
        described[name] = entry
    return described


def describe_optimizers() -> tuple[str, dict[str, Any]]:
    """The optimizers: functions of θ, its gradient, η and the state, which return the new θ and the new state.

    The functions are pairs in JavaScript, as those of the operations; with them the number of states of each, and how
    it is made in Python.
    """
    functions, described = [], {}
    for name, (kind, settings) in OPTIMIZERS.items():
        optimizer = kind([Value(0.0)], lr=0.1, **settings)
        count = len(optimizer.buffers)

        def update(*xs: Any, optimizer: optim.Optimizer = optimizer) -> list[Any]:
            θ, state = optimizer.decay_and_update(xs[0], xs[1], xs[2], tuple(xs[3:]))
            return [θ, *state]

        functions.append(_pair(name, _write_function(update, 3 + count)))
        arguments = "".join([f", {setting}={x}" for setting, x in settings.items()])
        described[name] = {"states": count, "python": f"tg.optim.{kind.__name__}([⟦params⟧], lr=⟦lr⟧{arguments})"}
    return f"[\n{''.join(functions)}]", described


# ---- functions in JavaScript -----------------------------------------------------------------------------------------
def _table() -> list[tuple[Op, int]]:
    """The operations of the package, each with the numbers of inputs that it may have on the page."""
    found = []
    for name, op in OPS.items():
        if name in functional.TABLE_NAMES and op not in (LEAF, CONSTANT):
            if op.arity is not None:
                found.append((op, op.arity))
            else:
                least = 3 if op.function != op.name else 1  # for two inputs there is another operation
                found += [(op, max(op.lists, 1) * n) for n in range(least, MOST_INPUTS + 1)]
    return found


def _key(op: Op, arity: int) -> str:
    return f"{op.name}/{arity}"


def _value_and_slopes(op: Op, xs: Sequence[Any]) -> list[Any]:
    y = op.value(SYMBOLS, *xs) if op.parameters else _apply(op, xs)
    return [y, *op.derivatives(SYMBOLS, y, *xs)]


def _apply(op: Op, xs: Sequence[Any]) -> Symbol:
    builder = xs[0].builder
    return Symbol(builder, builder.operation(op, tuple([x.place for x in xs])))


def _member_of(family: Family, count: int) -> Callable[..., list[Any]]:
    def value_and_slopes(*xs: Any) -> list[Any]:
        op = family.make(*xs[:count])
        y = op.value(SYMBOLS, *xs[count:])
        return [y, *op.derivatives(SYMBOLS, y, *xs[count:])]

    return value_and_slopes


def _write_function(f: Callable[..., Sequence[Any]], count: int, parameters: int = 0) -> str:
    """Writes a function of so many numbers, the first of which are parameters; it runs here on symbols."""
    builder = Builder()
    leaves = [builder.leaf(f"p{i}" if i < parameters else f"x{i - parameters}") for i in range(count)]
    xs = [(_NotZero if i < parameters else Symbol)(builder, place) for i, place in enumerate(leaves)]
    results = f(*xs)
    places = [y.place if isinstance(y, Symbol) else builder.constant(float(y)) for y in results]
    return source(program_of(make_tape("f", builder.entries, leaves, [], places)), "javascript")


def _pair(name: str, function: str) -> str:
    """A name and its function, in a scope of its own."""
    return f"[{embed_json(name)}, (() => {{\n{function}\nreturn f;\n}})()],\n"


# ---- how operations are written --------------------------------------------------------------------------------------
def _describe(op: Op, gaps: Sequence[str]) -> dict[str, Any]:
    slopes = write_local_derivatives(op, "⟦y⟧", gaps)
    return {
        "symbol": op.symbol,
        "formula": write_formula(op, gaps),
        "slopes": slopes if sum(map(len, slopes)) < LONGEST_SLOPES else [],
        "python": write_call(op, [(gap, ATOM) for gap in gaps], "tg.")[0],
    }


def _describe_family(family: Family, count: int) -> dict[str, Any]:
    """A member of a family, with gaps for its parameters."""
    gaps, parameters = [f"⟦{i}⟧" for i in range(family.arity)], [f"⟦p{i}⟧" for i in range(count)]
    op = family.member(*(family.examples[0] if family.examples else [low for low, _ in family.ranges]))
    form = FORMULA.form(op)
    call = f"{FORMULA.function(op)}({', '.join([*gaps, *parameters])})"

    def derivatives(*xs: Any) -> Sequence[Any]:
        member = family.make(*[_NotZero(x.builder, x.place) for x in xs[:count]])
        return member.derivatives(SYMBOLS, *xs[count:])

    return {
        "symbol": family.make(*parameters).symbol,
        "formula": form.filled([(gap, ATOM) for gap in gaps], parameters) if form else call,
        "slopes": write_results(derivatives, [*parameters, "⟦y⟧", *gaps]),
        "python": write_call(op, [(gap, ATOM) for gap in gaps], "tg.", parameters)[0],
    }

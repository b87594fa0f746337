"""What the grader examines: a table of concepts, in the order in which they are taught.

A concept is data: small programs, the smallest first, and advice for a program that goes wrong. Each line of a program
that is an expression shows its value, as in an interactive session. This value is compared with the value of our own
engine, so no expected number is written here. Only what micrograd and PyTorch agree on is examined. They do not agree
on interior gradients after a second backward pass: micrograd adds them up, PyTorch keeps none. How programs are run and
compared is left to `_examination.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from textwrap import dedent

from tinygrad_edu.errors import quote_list


@dataclass(frozen=True)
class Concept:
    """One thing that an engine must get right.

    Args:
        name: The name of the concept.
        group: The name of its group.
        examines: What is examined, in a few words.
        programs: The programs, which run one after the other up to the first that goes wrong.
        look_at: The advice if one goes wrong.
        needs: The methods that the class must have, or else the concept is missing.
        builds_on: The names of the concepts whose faults show in this one too.
        optional: Whether an engine may refuse the concept with one of `REFUSALS`: then it is missing, not wrong.
        generated: Whether Hypothesis makes the programs, and `programs` is empty.
    """

    name: str
    group: str
    examines: str
    programs: tuple[str, ...]
    look_at: str
    needs: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    optional: bool = False
    generated: bool = False


REFUSALS = (TypeError, AssertionError)


def _concept(
    name: str, examines: str, programs: str, look_at: str, *, needs: str = "", builds_on: str = "", **kind: bool
) -> Concept:
    """A concept, from programs with an empty line between them, and from names with a space between them."""
    texts = tuple(dedent(programs).strip().split("\n\n")) if programs else ()
    return Concept(name, "", examines, texts, look_at, tuple(needs.split()), tuple(builds_on.split()), **kind)


def _concepts(group: str, *concepts: Concept) -> list[Concept]:
    return [replace(concept, group=group) for concept in concepts]


CONCEPTS: tuple[Concept, ...] = (
    *_concepts(
        "values",
        _concept(
            "value",
            "Value(x) keeps the number x in data",
            """
            a = Value(3.0)
            a.data

            a = Value(-2)
            a.data
            """,
            "__init__ stores its argument: self.data = data.",
        ),
        _concept(
            "data-and-grad",
            "grad is 0 at first; both can be set",
            """
            a = Value(3.0)
            a.grad

            a = Value(3.0)
            b = Value(3.0)
            a.grad = 5.0
            a.grad, b.grad

            a = Value(3.0)
            b = Value(3.0)
            a.data = 4.0
            a.data, b.data
            """,
            "__init__ sets self.data and self.grad = 0.0: both belong to the object, not to the class.",
            builds_on="value",
        ),
        _concept(
            "repr",
            "repr(a), as in print(a), shows the number",
            """
            a = Value(3.5)
            '3.5' in repr(a)
            """,
            '__repr__ returns a text that contains self.data, such as f"Value(data={self.data})".',
            needs="__repr__",
            builds_on="data-and-grad",
        ),
        _concept(
            "root-gradient",
            "backward() begins with da/da = 1",
            """
            a = Value(3.0)
            a.backward()
            a.grad
            """,
            "backward() sets self.grad = 1.0 before it goes through the graph.",
            needs="backward",
            builds_on="data-and-grad",
        ),
    ),
    *_concepts(
        "operators",
        _concept(
            "addition",
            "a + b and a + 5",
            """
            a = Value(2.0)
            b = Value(3.0)
            c = a + b
            c.data

            a = Value(2.0)
            b = a + 5
            b.data

            a = Value(2.0)
            b = Value(3.0)
            c = a + b
            c.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = a + 5.5
            b.backward()
            a.grad
            """,
            "__add__: make a plain number a Value first; both inputs get out.grad, as both derivatives are 1.",
            needs="__add__",
            builds_on="data-and-grad root-gradient",
        ),
        _concept(
            "reflected-addition",
            "5 + a",
            """
            a = Value(2.0)
            b = 5 + a
            b.data

            a = Value(2.0)
            b = 5.5 + a
            b.backward()
            a.grad
            """,
            "__radd__: for 5 + a Python calls a.__radd__(5); the sum does not depend on the order.",
            needs="__radd__",
            builds_on="addition",
        ),
        _concept(
            "multiplication",
            "a * b and a * 5",
            """
            a = Value(2.0)
            b = Value(3.0)
            c = a * b
            c.data

            a = Value(2.0)
            b = a * 5
            b.data

            a = Value(2.0)
            b = Value(3.0)
            c = a * b
            c.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = a * -5.5
            b.backward()
            a.grad
            """,
            "__mul__: the gradient of each input is the number of the other input times out.grad.",
            needs="__mul__",
            builds_on="data-and-grad root-gradient",
        ),
        _concept(
            "reflected-multiplication",
            "5 * a",
            """
            a = Value(2.0)
            b = 5 * a
            b.data

            a = Value(2.0)
            b = 5.5 * a
            b.backward()
            a.grad
            """,
            "__rmul__: for 5 * a Python calls a.__rmul__(5); the product does not depend on the order.",
            needs="__rmul__",
            builds_on="multiplication",
        ),
        _concept(
            "chain-rule",
            "local derivative times output's gradient",
            """
            a = Value(2.0)
            b = a * 3.0
            c = b * 10.0
            c.backward()
            c.grad, b.grad, a.grad

            a = Value(2.0)
            b = Value(3.0)
            c = a * b
            d = c * 10.0
            d.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = Value(3.0)
            c = a + b
            d = c * 10.0
            d.backward()
            a.grad, b.grad
            """,
            "the backward step of each operation multiplies every local derivative by out.grad.",
            needs="__add__ __mul__",
            builds_on="addition multiplication",
        ),
    ),
    *_concepts(
        "backward",
        _concept(
            "accumulation",
            "gradients of all uses are added: b = a + a",
            """
            a = Value(3.0)
            b = a + a
            b.backward()
            a.grad

            a = Value(3.0)
            b = a * a
            b.backward()
            a.grad

            a = Value(3.0)
            b = a * 2.0
            c = b + a
            c.backward()
            a.grad

            a = Value(3.0)
            b = a + 2.0
            c = b + a
            c.backward()
            a.grad

            a = Value(3.0)
            b = Value(2.0)
            c = b + a
            d = c + a
            d.backward()
            a.grad

            a = Value(3.0)
            b = Value(2.0)
            c = b * a
            d = c + a
            d.backward()
            a.grad
            """,
            "add gradients with +=, do not set them with =; an input that is used twice counts twice.",
            needs="__add__ __mul__",
            builds_on="chain-rule",
        ),
        _concept(
            "shared-nodes",
            "each node goes once: b = a + a; c = b + b",
            """
            a = Value(3.0)
            b = a + a
            c = b + b
            c.backward()
            a.grad

            a = Value(3.0)
            b = a * a
            c = b * b
            d = c * c
            d.backward()
            a.grad
            """,
            "each node is in the topological order once: keep the visited nodes in a set.",
            needs="__add__ __mul__",
            builds_on="accumulation",
        ),
        _concept(
            "order",
            "a node waits for all nodes that use it",
            """
            a = Value(3.0)
            b = a * 2.0
            c = b * 5.0
            d = c + b
            d.backward()
            a.grad

            a = Value(3.0)
            b = a * 2.0
            c = b * 5.0
            d = b + c
            d.backward()
            a.grad

            a = Value(3.0)
            b = a * 2.0
            c = b * 5.0
            d = b * 7.0
            e = c + d
            e.backward()
            a.grad

            a = Value(3.0)
            b = a * 2.0
            c = b * 5.0
            d = c * 7.0
            e = b + c
            f = e + d
            g = b + f
            g.backward()
            a.grad
            """,
            "keep all inputs of each node, list a node after its inputs, and go back in the reverse order.",
            needs="__add__ __mul__",
            builds_on="shared-nodes",
        ),
        _concept(
            "constants",
            "plain numbers: ints, and 0",
            """
            a = Value(3)
            b = a * 2 + 1
            b.data

            a = Value(3)
            b = a * 2 + 1
            b.backward()
            a.grad

            a = Value(3.0)
            b = a + 0
            c = b * 0
            c.data, b.data

            a = Value(3.0)
            b = a * 0
            c = b + a
            c.backward()
            a.grad
            """,
            "0 is a number like any other: test with isinstance(other, Value), not with `if other`.",
            needs="__add__ __mul__",
            builds_on="addition multiplication accumulation",
        ),
        _concept(
            "equal-numbers",
            "two Values with equal numbers are not one",
            """
            a = Value(3.0)
            b = Value(3.0)
            c = a * 2.0
            d = b * 2.0
            e = c + d
            e.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = a + 0.0
            c = b * 1.0
            c.backward()
            a.grad
            """,
            "compare nodes by identity, not by their numbers: a set of nodes uses __eq__ and __hash__.",
            needs="__add__ __mul__",
            builds_on="addition multiplication chain-rule",
        ),
        _concept(
            "inputs-unchanged",
            "operations do not change their inputs",
            """
            a = Value(3.0)
            b = Value(2.0)
            c = a * b
            d = c + a
            a.data, b.data, c.data

            a = Value(3.0)
            b = a
            b += 1.0
            a.data, b.data

            a = Value(3.0)
            b = Value(2.0)
            c = a * b
            d = c + a
            d.backward()
            a.data, b.data, c.data, d.data
            """,
            "operations make out = Value(...) and never assign to self.data; backward() changes only grad.",
            needs="__add__ __mul__",
            builds_on="addition multiplication",
        ),
        _concept(
            "sum",
            "sum([a, b, c])",
            """
            a = Value(1.0)
            b = Value(2.0)
            c = Value(4.0)
            d = sum([a, b, c])
            d.data

            a = Value(1.0)
            b = Value(2.0)
            c = sum([a, b, a])
            c.backward()
            a.grad, b.grad
            """,
            "sum() begins with the plain number 0, so it calls __radd__ first.",
            needs="__add__ __radd__",
            builds_on="reflected-addition accumulation equal-numbers",
        ),
    ),
    *_concepts(
        "more-operators",
        _concept(
            "negation",
            "-a",
            """
            a = Value(2.0)
            b = -a
            b.data

            a = Value(2.0)
            b = -a
            c = b * 10.0
            c.backward()
            a.grad
            """,
            "__neg__: -a is a * -1, and its derivative is -1.",
            needs="__neg__",
            builds_on="chain-rule accumulation equal-numbers",
        ),
        _concept(
            "subtraction",
            "a - b and a - 5",
            """
            a = Value(2.0)
            b = Value(3.0)
            c = a - b
            c.data

            a = Value(2.0)
            b = a - 5
            b.data

            a = Value(2.0)
            b = Value(3.0)
            c = a - b
            d = c * 10.0
            d.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = a - 5.5
            b.backward()
            a.grad

            a = Value(2.0)
            b = a - 5.5
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__sub__: the derivatives are 1 for the left input and -1 for the right one.",
            needs="__sub__",
            builds_on="addition negation",
        ),
        _concept(
            "reflected-subtraction",
            "5 - a",
            """
            a = Value(2.0)
            b = 5 - a
            b.data

            a = Value(2.0)
            b = 5.5 - a
            c = b * 10.0
            c.backward()
            a.grad

            a = Value(2.0)
            b = 5.5 - a
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__rsub__: for 5 - a Python calls a.__rsub__(5): the result is other - self, its derivative is -1.",
            needs="__rsub__",
            builds_on="reflected-addition negation subtraction",
        ),
        _concept(
            "power",
            "a ** 3, a ** 1, a ** 0, a ** -1, a ** 0.5",
            """
            a = Value(2.0)
            b = a ** 3
            b.data

            a = Value(2.0)
            b = a ** 1
            b.backward()
            b.data, a.grad

            a = Value(2.0)
            b = a ** 2
            b.backward()
            a.grad

            a = Value(2.0)
            b = a ** 3
            c = b * 10.0
            c.backward()
            a.grad

            a = Value(2.0)
            b = a ** 0
            b.backward()
            b.data, a.grad

            a = Value(2.0)
            b = a ** -1
            b.backward()
            b.data, a.grad

            a = Value(4.0)
            b = a ** 0.5
            b.backward()
            b.data, a.grad

            a = Value(2.0)
            b = a ** 3
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__pow__: the derivative of x**n is n * x**(n-1); multiply it by out.grad.",
            needs="__pow__",
            builds_on="chain-rule accumulation equal-numbers",
        ),
        _concept(
            "power-of-negative",
            "a ** n for a negative a and an int n",
            """
            a = Value(-3.0)
            b = a ** 2
            b.backward()
            b.data, a.grad

            a = Value(-3.0)
            b = a ** 3
            b.backward()
            b.data, a.grad

            a = Value(-2.0)
            b = a ** -1
            b.backward()
            b.data, a.grad
            """,
            "a plain exponent needs no logarithm, which a negative number lacks; the derivative is n * x**(n-1).",
            needs="__pow__",
            builds_on="power",
        ),
        _concept(
            "power-at-zero",
            "a ** n at a = 0",
            """
            a = Value(0.0)
            b = a ** 2
            b.backward()
            b.data, a.grad

            a = Value(0.0)
            b = a ** 1
            b.backward()
            b.data, a.grad

            a = Value(0.0)
            b = a ** 0
            b.backward()
            b.data, a.grad
            """,
            "x**0 is 1 everywhere, so its derivative is 0; the formula n * x**(n-1) divides by zero at x = 0.",
            needs="__pow__",
            builds_on="power",
        ),
        _concept(
            "division",
            "a / b and a / 5",
            """
            a = Value(2.0)
            b = Value(4.0)
            c = a / b
            c.data

            a = Value(2.0)
            b = a / 5
            b.data

            a = Value(2.0)
            b = Value(4.0)
            c = a / b
            d = c * 10.0
            d.backward()
            a.grad, b.grad

            a = Value(2.0)
            b = a / 5.5
            b.backward()
            a.grad

            a = Value(2.0)
            b = a / 5.5
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__truediv__: a / b is a * b**-1; the derivatives are 1/b and -a/b**2.",
            needs="__truediv__",
            builds_on="multiplication power",
        ),
        _concept(
            "reflected-division",
            "5 / a",
            """
            a = Value(4.0)
            b = 5 / a
            b.data

            a = Value(4.0)
            b = 5.5 / a
            c = b * 10.0
            c.backward()
            a.grad

            a = Value(2.0)
            b = 5.5 / a
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__rtruediv__: for 5 / a Python calls a.__rtruediv__(5): the result is other / self, or 5 * a**-1.",
            needs="__rtruediv__",
            builds_on="reflected-multiplication power division",
        ),
    ),
    *_concepts(
        "functions",
        *(
            _concept(
                name,
                f"a.{name}()",
                "\n\n".join(
                    f"a = Value({x})\nb = a.{name}()\n{rest}"
                    for rest in (
                        "b.data",
                        "c = b * 10.0\nc.backward()\na.grad",
                        "c = b * 10.0\nd = c + a\nd.backward()\na.grad",
                    )
                    for x in points
                ),
                look_at,
                needs=name,
                builds_on="chain-rule accumulation equal-numbers",
            )
            for name, points, look_at in (
                (
                    "relu",
                    (3.0, -2.0, 0.0),
                    "relu: max(0, x); its derivative is 1 where x > 0, and 0 elsewhere, also at x = 0.",
                ),
                ("tanh", (0.5, -2.0), "tanh: the derivative is 1 - t**2, where t = tanh(x) is the output."),
                ("exp", (0.5, -2.0), "exp: the derivative is exp(x) itself, the output."),
                ("log", (2.0, 0.5), "log: the natural logarithm; its derivative is 1/x."),
            )
        ),
    ),
    *_concepts(
        "exponents",
        _concept(
            "reflected-power",
            "2 ** a",
            """
            a = Value(3.0)
            b = 2 ** a
            b.data

            a = Value(3.0)
            b = 2.5 ** a
            c = b * 10.0
            c.backward()
            a.grad

            a = Value(2.0)
            b = 2.5 ** a
            c = b * 10.0
            d = c + a
            d.backward()
            a.grad
            """,
            "__rpow__: for 2 ** a Python calls a.__rpow__(2); the derivative of n**x is n**x * log(n).",
            needs="__rpow__",
            builds_on="exp",
        ),
        _concept(
            "value-exponent",
            "a ** b for two Values",
            """
            a = Value(2.0)
            b = Value(3.0)
            c = a ** b
            c.data

            a = Value(2.0)
            b = Value(3.0)
            c = a ** b
            c.backward()
            a.grad, b.grad
            """,
            "__pow__ with a Value: the derivatives are b * a**(b-1) for the base and a**b * log(a) for the exponent.",
            needs="__pow__",
            builds_on="power exp log",
            optional=True,
        ),
    ),
    *_concepts(
        "several-passes",
        _concept(
            "separate-graphs",
            "backward() changes only its own graph",
            """
            a = Value(3.0)
            b = a * 2.0
            c = a * 5.0
            b.backward()
            a.grad, c.grad

            a = Value(3.0)
            b = Value(4.0)
            c = a * 2.0
            d = b * 5.0
            d.backward()
            a.grad, b.grad

            a = Value(3.0)
            b = a * 2.0
            b.backward()
            c = Value(4.0)
            d = c * 5.0
            d.backward()
            a.grad, c.grad
            """,
            "keep inputs and gradients in each object, not in a list or a number that all objects share.",
            needs="__mul__",
            builds_on="multiplication",
        ),
        _concept(
            "gradients-add-up",
            "a second backward() adds to a leaf's grad",
            """
            a = Value(3.0)
            b = a * 2.0
            b.backward()
            c = a * 5.0
            c.backward()
            a.grad
            """,
            "backward() does not set the gradients of leaves to zero: the training loop does.",
            needs="__mul__",
            builds_on="accumulation separate-graphs",
        ),
        _concept(
            "zeroing",
            "after a.grad = 0 the sum starts again",
            """
            a = Value(3.0)
            b = a * 2.0
            b.backward()
            a.grad = 0
            c = a * 5.0
            c.backward()
            a.grad
            """,
            "keep the gradient in grad and nowhere else: zero_grad() does a.grad = 0.",
            needs="__mul__",
            builds_on="separate-graphs",
        ),
        _concept(
            "second-backward",
            "backward() runs again after zeroing",
            """
            a = Value(3.0)
            b = a * a
            b.backward()
            a.grad, b.grad = 0, 0
            b.backward()
            a.grad

            a = Value(3.0)
            b = a * 2.0
            c = b * b
            c.backward()
            a.grad, b.grad, c.grad = 0, 0, 0
            c.backward()
            a.grad, b.grad
            """,
            "backward() starts from nothing each time: keep the visited nodes in a local set, not in the nodes.",
            needs="__mul__",
            builds_on="shared-nodes zeroing",
        ),
    ),
    *_concepts(
        "large-graphs",
        _concept(
            "many-paths",
            "time grows with nodes, not with paths",
            """
            a = Value(1.0)
            b = a
            for _ in range(60):
                b = b + b
            b.backward()
            b.data, a.grad
            """,
            "visit each node once, however many paths lead to it: keep the visited nodes in a set.",
            needs="__add__",
            builds_on="shared-nodes",
        ),
        _concept(
            "deep-chains",
            "chains of 1,000, 10,000, 30,000 operations",
            "\n\n".join(
                f"a = Value(1.0)\nb = a\nfor _ in range({n}):\n    b = b + 1.0\nb.backward()\nb.data, a.grad"
                for n in (1_000, 10_000, 30_000)
            ),
            "Python allows about 1,000 nested calls: find the order with a loop, and a list as a stack.",
            needs="__add__",
            builds_on="addition",
        ),
    ),
    *_concepts(
        "reference",
        _concept(
            "generated-expressions",
            "generated expressions against tinygrad_edu",
            "",
            "go through the program line by line: an operation is wrong at some numbers, or with shared inputs.",
            needs="__add__ __mul__",
            builds_on="addition multiplication chain-rule accumulation shared-nodes order constants equal-numbers",
            generated=True,
        ),
    ),
)


def choose_concepts(only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Concept, ...]:
    """The concepts to examine, in the order of the table.

    Args:
        only: The names of concepts or groups; all by default.
        skip: The names of concepts or groups to leave out.

    Raises:
        ValueError: A name is not in the table, or no concept is left.

    Example:
        >>> [concept.name for concept in choose_concepts(only=["functions"], skip=["log"])]
        ['relu', 'tanh', 'exp']
    """
    only, skip = _list_names(only), _list_names(skip)
    groups = dict.fromkeys(concept.group for concept in CONCEPTS)
    names = {group: [concept.name for concept in CONCEPTS if concept.group == group] for group in groups}
    known = {*groups, *[concept.name for concept in CONCEPTS]}
    unknown = [name for name in (*only, *skip) if name not in known]
    if unknown:
        table = "; ".join(f"{group}: {', '.join(names[group])}" for group in groups)
        raise ValueError(f"no concept and no group is called {quote_list(unknown)}; there are {table}")
    concepts = tuple(
        concept
        for concept in CONCEPTS
        if (not only or {concept.name, concept.group} & {*only}) and not {concept.name, concept.group} & {*skip}
    )
    if not concepts:
        raise ValueError("no concept is left to examine: skip fewer of them")
    return concepts


def _list_names(names: Iterable[str]) -> Sequence[str]:
    return [names] if isinstance(names, str) else list(names)

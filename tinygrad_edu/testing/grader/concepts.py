"""What the grader examines: a table of concepts, in the order in which they are taught.

A concept is data: small programs, the smallest first, and the rule that they examine. Each line of a program
that is an expression shows its value, as in an interactive session. This value is compared with the value of our own
engine, so no expected number is written here. Only what micrograd and PyTorch agree on is examined. They do not agree
on interior gradients after a second backward pass: micrograd adds them up, PyTorch keeps none. How programs are run and
compared is left to `_examination.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from textwrap import dedent
from typing import Any

from tinygrad_edu.errors import describe, quote_list


@dataclass(frozen=True)
class Concept:
    """One thing that an engine must get right.

    Args:
        name: The name of the concept.
        group: The name of its group.
        examines: What is examined, in a few words.
        programs: The programs, which run one after the other up to the first that goes wrong.
        rule: What is so in every engine that gets it right.
        needs: The methods that the class must have, or else the concept is missing.
        builds_on: The names of the concepts whose faults show in this one too.
        substitute: A function, made of earlier operations, that can stand in the place of its method.
        points: What it is worth; all concepts together are worth 100.
        optional: Whether an engine may refuse the concept with one of `REFUSALS`: then it is missing, not wrong.
        generated: Whether Hypothesis makes the programs, and `programs` is empty.
    """

    name: str
    group: str
    examines: str
    programs: tuple[str, ...]
    rule: str
    needs: tuple[str, ...] = ()
    builds_on: tuple[str, ...] = ()
    substitute: str = ""
    points: int = 0
    optional: bool = False
    generated: bool = False

    @property
    def method(self) -> str:
        """The one method that the concept is about; empty if it is about something else."""
        is_operation = self.group in ("operators", "more-operators", "functions", "exponents")
        return self.needs[0] if is_operation and len(self.needs) == 1 else ""


REFUSALS = (TypeError, AssertionError)


def _concept(
    name: str, examines: str, programs: str, rule: str, *, needs: str = "", builds_on: str = "", **more: Any
) -> Concept:
    """A concept, from programs with an empty line between them, and from names with a space between them."""
    texts = tuple(dedent(programs).strip().split("\n\n")) if programs else ()
    return Concept(name, "", examines, texts, rule, tuple(needs.split()), tuple(builds_on.split()), **more)


def _concepts(group: str, points: int, *concepts: Concept) -> list[Concept]:
    return [replace(concept, group=group, points=points) for concept in concepts]


CONCEPTS: tuple[Concept, ...] = (
    *_concepts(
        "values",
        1,
        _concept(
            "value",
            "Value(x) keeps the number x in data",
            """
            a = Value(3.0)
            a.data

            a = Value(-2)
            a.data
            """,
            "Value(x) keeps x, as it is, in data.",
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
            "each Value has its own data and its own grad, which begins with 0; neither belongs to the class.",
            builds_on="value",
        ),
        _concept(
            "repr",
            "repr(a), as in print(a), shows the number",
            """
            a = Value(3.5)
            '3.5' in repr(a)
            """,
            "repr(a) is a text in which the number of a can be read.",
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
            "backward() gives the node on which it is called the gradient 1.",
            needs="backward",
            builds_on="data-and-grad",
        ),
    ),
    *_concepts(
        "operators",
        3,
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
            "a + b is the sum, also for a plain number b; both derivatives are 1.",
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
            "for 5 + a Python calls a.__radd__(5), and 5 + a is a + 5.",
            needs="__radd__",
            substitute="lambda a, b: a + b",
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
            "a * b is the product, also for a plain number b; the derivative in a is b, and that in b is a.",
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
            "for 5 * a Python calls a.__rmul__(5), and 5 * a is a * 5.",
            needs="__rmul__",
            substitute="lambda a, b: a * b",
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
            "each input gets the local derivative times the gradient of the output.",
            needs="__add__ __mul__",
            builds_on="addition multiplication",
        ),
    ),
    *_concepts(
        "backward",
        4,
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
            "the gradients of all uses of a node are added; an input that is used twice counts twice.",
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
            "each node takes its backward step once, however many nodes use it.",
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
            "a node takes its backward step after all nodes that use it.",
            needs="__add__ __mul__",
            builds_on="shared-nodes",
        ),
        _concept(
            "unused-nodes",
            "a node that backward() does not reach",
            """
            a = Value(3.0)
            b = a * 2.0
            c = b * 5.0
            d = b * 7.0
            c.backward()
            a.grad, b.grad, d.grad

            a = Value(3.0)
            b = a + 2.0
            c = b * 5.0
            d = c + b
            e = b + d
            d.backward()
            a.grad, b.grad, e.grad
            """,
            "backward() waits for no node that its own node is not made of, and changes none of them.",
            needs="__add__ __mul__",
            builds_on="order",
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
            "0 and ints are numbers like any other.",
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
            "two nodes with equal numbers are two nodes.",
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
            "an operation makes a new node, and changes no data; backward() changes only grad.",
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
        2,
        _concept(
            "negation",
            "-a",
            """
            a = Value(2.0)
            b = -a
            b.data, a.data

            a = Value(2.0)
            b = -a
            c = b * 10.0
            c.backward()
            a.grad
            """,
            "-a leaves a as it is, and has the derivative -1.",
            needs="__neg__",
            substitute="lambda a: a * -1",
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
            "a - b has the derivatives 1 in a and -1 in b.",
            needs="__sub__",
            substitute="lambda a, b: a + b * -1",
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
            "for 5 - a Python calls a.__rsub__(5): the result is 5 - a, and its derivative -1.",
            needs="__rsub__",
            substitute="lambda a, b: a * -1 + b",
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

            a = Value(2.0)
            b = a + 1.0
            c = b ** 3
            c.backward()
            a.grad
            """,
            "a**n has the derivative n * a**(n-1).",
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
            "a plain exponent needs no logarithm, which a negative number lacks.",
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
            "a**0 is 1 everywhere, so its derivative is 0, also where n * a**(n-1) would divide by 0.",
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
            "a / b has the derivatives 1/b in a and -a/b**2 in b.",
            needs="__truediv__",
            substitute="lambda a, b: a * b ** -1",
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
            "for 5 / a Python calls a.__rtruediv__(5): the result is 5 / a, and its derivative -5/a**2.",
            needs="__rtruediv__",
            substitute="lambda a, b: a ** -1 * b",
            builds_on="reflected-multiplication power division",
        ),
    ),
    *_concepts(
        "functions",
        3,
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
                )
                + f"\n\na = Value({points[0]})\nb = a + 1.0\nc = b.{name}()\nc.backward()\na.grad",
                rule,
                needs=name,
                builds_on="chain-rule accumulation equal-numbers",
            )
            for name, points, rule in (
                (
                    "relu",
                    (3.0, -2.0, 0.0),
                    "relu(x) is max(0, x); its derivative is 1 where x > 0, and 0 elsewhere, also at x = 0.",
                ),
                ("tanh", (0.5, -2.0), "tanh(x) has the derivative 1 - t**2, where t = tanh(x) is the output."),
                ("exp", (0.5, -2.0), "exp(x) has the derivative exp(x), the output itself."),
                ("log", (2.0, 0.5), "log(x) is the natural logarithm, with the derivative 1/x."),
            )
        ),
    ),
    *_concepts(
        "exponents",
        2,
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
            "for 2 ** a Python calls a.__rpow__(2); the derivative is 2**a * log(2).",
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
            "a**b has the derivatives b * a**(b-1) in a and a**b * log(a) in b.",
            needs="__pow__",
            builds_on="power exp log",
            optional=True,
        ),
    ),
    *_concepts(
        "several-passes",
        2,
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
            "backward() changes the gradients of the nodes that its own node is made of, and no others.",
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
            "a second backward() adds to the gradients of leaves.",
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
            "after a.grad = 0 the gradient of a begins again with 0.",
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
            "after all gradients are set to 0, backward() gives the same gradients again.",
            needs="__mul__",
            builds_on="shared-nodes zeroing",
        ),
    ),
    *_concepts(
        "large-graphs",
        3,
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
            "the work grows with the number of nodes, not with the number of paths to them.",
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
            "Python allows about 1,000 nested calls; a loop with a list as its stack goes to any depth.",
            needs="__add__",
            builds_on="addition",
        ),
    ),
    *_concepts(
        "reference",
        3,
        _concept(
            "generated-expressions",
            "generated expressions against tinygrad_edu",
            "",
            "every expression has the numbers that its operations have.",
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
        TypeError: A name is no text.
        ValueError: A name is not in the table, or no concept is left.

    Example:
        >>> [concept.name for concept in choose_concepts(only=["functions"], skip=["log"])]
        ['relu', 'tanh', 'exp']
    """
    only, skip = _list_names("only", only), _list_names("skip", skip)
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


def _list_names(argument: str, names: Iterable[str]) -> Sequence[str]:
    found = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else [names]
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument} must be names of concepts or groups, as ['order'], not {describe(name)}")
    return found

"""A tape as text to read: a program in Python, NumPy or JavaScript, formulas in LaTeX, or a listing.

Here it is decided what gets a line of its own and what it is called. How an operation is written is not stated once
more for each of them: the rule table says what it computes, and a language (`languages.py`) needs a way to write no
more than what `Floats` supplies to the rules, exp and max and the like.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from unicodedata import normalize

from tinygrad_edu.functional import OTHER_NAMES
from tinygrad_edu.ops import CONSTANT
from tinygrad_edu.rules import FLOATS, Op

from .languages import ARITHMETIC, ATOM, LANGUAGES, Language, Text
from .passes import expanded, expansion, is_short, summed, uses
from .tape import Node, Tape


def written(tape: Tape, language: str) -> str:
    """See `Tape.source`."""
    if language not in LANGUAGES:
        raise ValueError(f"a tape can be written in {', '.join(LANGUAGES)}, not in {language!r}")
    if language == "numpy":
        tape = summed(tape, [True] * len(tape.inputs) + [False] * len(tape.parameters))
    return program(tape, LANGUAGES[language])


def program(tape: Tape, language: Language) -> str:
    """The function that a tape is, after the functions of operations of several steps, and what else it needs."""
    expansion.cache_clear()  # an operation that another one uses may have been defined anew
    is_short.cache_clear()
    writer = _Writer(language)
    main = writer.function(tape, writer.names.new(identifier(tape.name, "f")) if language.is_code else "")
    return language.program(writer.used, [*writer.functions.values(), main])


class _Names:
    """Names that are written in different ways, and have no other meaning."""

    def __init__(self, taken: Iterable[str], written: Callable[[str], str] = str) -> None:
        self.taken = set(taken)
        self._written = written
        self._numbers: Counter[str] = Counter()

    def new(self, wish: str) -> str:
        """The name itself, or if it is taken, with a number."""
        name = wish
        while not self.is_free(name):
            self._numbers[wish] += 1
            name = f"{wish}_{self._numbers[wish] + 1}"
        self.taken.add(self._written(name))
        return name

    def is_free(self, name: str) -> bool:
        return self._written(name) not in self.taken

    def temporary(self) -> str:
        self._numbers[""] += 1
        return self.new(f"v{self._numbers['']}")


class _Writer:
    """What has been written in a language so far: the functions of operations, and what they use of the language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.functions: dict[str, str] = {}
        self.used: set[str] = set()
        self.names = _Names(language.reserved, language.name)
        self._of_operations: dict[tuple[Op, int], str] = {}

    def of_operation(self, op: Op, arity: int) -> str:
        """The name of the function that an operation is; it is written when it is needed first."""
        if (op, arity) not in self._of_operations:
            name = self._of_operations[op, arity] = self.names.new(identifier(op.name, "f"))
            self.functions[name] = self.function(expansion(op, arity), name)
        return self._of_operations[op, arity]

    def function(self, tape: Tape, function: str) -> str:
        tape = expanded(tape, self.language.form, self.language.powers_as_products)
        for node in tape.nodes:  # first, as the names in here must not hide those of other functions
            if node.inputs and self.language.form(node.op) is None:
                self.of_operation(node.op, len(node.inputs))
        return _Function(self, tape, function).written()


class _Function:
    """A function that is being written, entry by entry of its tape.

    Names in code belong to one function. Formulas share all of theirs, but for the x of a definition f(x) = …, which is
    one line, however long.
    """

    def __init__(self, writer: _Writer, tape: Tape, name: str) -> None:
        self.writer, self.tape, self.name, self.language = writer, tape, name, writer.language
        self.is_definition = bool(name) and not self.language.is_code
        self.longest = 5 * self.language.longest if self.is_definition else self.language.longest
        self.names = _Names(writer.names.taken) if self.language.is_code else writer.names
        self.leaves = [*tape.inputs, *tape.parameters]
        labels = short_names([tape.nodes[i].label for i in self.leaves])
        self.identifiers = dict(zip(self.leaves, labels if self.is_definition else map(self.names.new, labels)))
        for place, node in enumerate(tape.nodes):
            if node.label and node.inputs:
                self.identifiers[place] = self.names.new(identifier(node.label, "v"))
        self.outputs = [""] if self.is_definition else self._names_of_outputs()
        self.wishes = {o.place: name for o, name in reversed([*zip(tape.outputs, self.outputs)]) if name}
        self.lines: list[str] = []
        self.text: list[Text] = []  # for each place the expression that stands for it
        self.named: set[int] = set()  # those that are but a name, or a number

    def written(self) -> str:
        count = uses(self.tape)
        for place, node in enumerate(self.tape.nodes):
            if node.op is CONSTANT or not node.inputs:
                name = self.language.name(self.identifiers.get(place, ""))
                self.text.append(self.language.number(node.number) if node.op is CONSTANT else (name, ATOM))
                self.named.add(place)
                continue
            length = sum([len(self.text[i][0]) for i in node.inputs])
            if length > self.longest and not self.named.issuperset(node.inputs):
                self._give_a_line(max({*node.inputs} - self.named, key=lambda i: len(self.text[i][0])))
            self.text.append(self._expression(node))
            is_shared = count[place] > 1 and not (self.is_definition and length <= self.longest)
            if is_shared or place in self.identifiers or place in self.wishes:
                self._give_a_line(place)
        results = []
        for (place, _), wish in zip(self.tape.outputs, self.outputs):
            if wish and self.text[place][0] != wish:  # a leaf, a constant, or what has got another name already
                self.lines.append(self.language.assignment(wish, self.text[place][0]))
            results.append(wish or self.text[place][0])
        return self.language.function(self.name, [self.text[i][0] for i in self.leaves], self.lines, results)

    def _expression(self, node: Node) -> Text:
        form, arity = self.language.form(node.op), len(node.inputs)
        if form is None:
            form = self.language.call(self.writer.of_operation(node.op, arity), arity)
        else:
            self.writer.used.add(node.op.name)
        return form.filled([self.text[i] for i in node.inputs], node.op.parameters), form.level

    def _give_a_line(self, place: int) -> None:
        """Gives an expression a name: that of its label, or of the output that it is, or a number."""
        name = self.identifiers.get(place)
        written = self.language.name(name) if name else self.wishes.get(place)
        written = written or self.language.name(self.names.temporary())
        self.lines.append(self.language.assignment(written, self.text[place][0]))
        self.text[place] = written, ATOM
        self.named.add(place)

    def _names_of_outputs(self) -> list[str]:
        """How each output is called; "" for one that has a label already, or may be written without a name."""
        tape, language = self.tape, self.language
        values = [o.place for o in tape.outputs if o.leaf is None]
        labelled = {i: name for i, name in self.identifiers.items() if tape.nodes[i].inputs}
        y = next((wish for wish in ("y", "value") if self.names.is_free(wish)), "y")
        y = labelled.get(values[0], y) if len(values) == 1 else y
        outputs = []
        for place, leaf in tape.outputs:
            if leaf is not None:
                name = self.names.new(f"d{y}_d{self.identifiers[leaf]}")
                outputs.append(language.gradient(name, y, self.identifiers[leaf]))
            elif place in labelled or (language.is_code and len(tape.outputs) == 1):
                outputs.append("")
            else:
                name = y if len(values) == 1 else f"{y}_{values.index(place)}"
                outputs.append(language.name(self.names.new(name)))
        return outputs


# ---- names -----------------------------------------------------------------------------------------------------------
_PATH = re.compile(r"[^\W\d]\w*(?:\[\d+\]|\.[^\W\d]\w*)*")


def short_names(labels: Sequence[str]) -> list[str]:
    """A name for each leaf: the last word of its path with all the indices, or, if others have that too, all words."""
    short = [identifier(label, "x") for label in labels]
    count = Counter(short)
    return [name if count[name] == 1 else _plain(label, "x") for name, label in zip(short, labels)]


def identifier(label: str, otherwise: str) -> str:
    """A label as a name in a program: `layers[0].neurons[3].w[1]` is w_0_3_1, `x1*w1` is x1_w1."""
    label = normalize("NFKC", label[:200])  # as Python does with the names that it reads
    if _PATH.fullmatch(label):
        words = re.findall(r"\w+", label)
        label = "_".join([[w for w in words if not w.isdecimal()][-1], *[w for w in words if w.isdecimal()]])
    return _plain(label, otherwise)


def _plain(label: str, otherwise: str) -> str:
    """The letters and digits of a label; what may be in it besides means something to some language."""
    name = re.sub(r"\W+", "_", normalize("NFKC", label[:200])).strip("_")[:40]
    return next(text for text in (name, f"{otherwise}_{name}".rstrip("_"), otherwise) if text.isidentifier())


# ---- a listing -------------------------------------------------------------------------------------------------------
def listing(tape: Tape) -> str:
    """The tape as a table: for each entry its name, how it is computed, and its number at the example."""
    leaves = [*tape.inputs, *tape.parameters]
    names = _Names(())
    of = {i: names.new(name) for i, name in zip(leaves, short_names([tape.nodes[i].label for i in leaves]))}
    inputs, numbers = {*tape.inputs}, tape.values(FLOATS, *tape.example)
    rows = [("name", "formula", "number")]
    for place, node in enumerate(tape.nodes):
        if node.op is CONSTANT:
            of[place] = f"{node.number:.6g}"
            continue
        if node.inputs:
            of[place] = names.new(identifier(node.label, "v")) if node.label else names.temporary()
            formula = _formula(node.op, [of[i] for i in node.inputs])
        else:
            formula = "input" if place in inputs else "parameter"
        rows.append((of[place], formula, f"{numbers[place]:.6g}"))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{name:{widths[0]}}  {how:{widths[1]}}  {number:>{widths[2]}}" for name, how, number in rows]
    values = [of[o.place] for o in tape.outputs if o.leaf is None]
    slopes = [f"∂{values[0]}/∂{of[o.leaf]} = {of[o.place]}" for o in tape.outputs if o.leaf is not None]
    return "\n".join([f"tape of {tape.name}", *lines, f"returns {', '.join(values + slopes)}"])


def _formula(op: Op, inputs: Sequence[str]) -> str:
    """An operation with its sign in Python, or as a function if it has none; of many inputs some are left out."""
    if op.name in ARITHMETIC or op.name == "power":
        return LANGUAGES["python"].forms[op.name].filled([(name, ATOM) for name in inputs], op.parameters)
    shown = inputs if len(inputs) <= 8 else [*inputs[:4], "…", *inputs[-3:]]
    return f"{OTHER_NAMES.get(op.name, op.name)}({', '.join([*shown, *map(str, op.parameters)])})"

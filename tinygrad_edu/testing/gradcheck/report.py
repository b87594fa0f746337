"""The result of a check, and what it says: first to a beginner, in plain words, then in detail to a specialist.

Nothing is decided here: the verdict and its reason come from `check.py`.
"""

import math
import shutil
from dataclasses import dataclass
from html import escape
from textwrap import fill, indent

from tinygrad_edu._display import Sheet, clean_text

from ._differences import DEGREE
from ._local import LocalDerivative
from ._precision import FLOAT_PRECISION
from .verdicts import ERROR_FACTOR, SAME, Derivative, Verdict

MAX_LISTED = 20  # derivatives in a printed report
MAX_WIDTH = 80  # columns of a terminal: longer lines are hard to read
ORDINALS = ("first", "second", "third")
MAX_FACTOR = 10  # that a wrong rule is told to have too much or too little
LEGEND = (
    "By the rules: the chain rule, as backward() applies it.",
    "By trying: the slope of a curve through values of f, nearer and nearer to x.",
)


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The result of `gradcheck`. It is true if the gradient is correct; a terminal and a notebook show a report.

    Args:
        verdict: "correct", "wrong", "kink", "outside the domain", "too noisy" or "not repeatable"; see `gradcheck`.
        reason: Why, in one sentence.
        derivatives: One `Derivative` for each input and each parameter.
        faults: The local derivatives that are wrong: which operation, which input, at which numbers.
        kinks: The local derivatives of operations at a kink.
        noise: The error of one value of f.
        digits: The number of decimal digits in the computation: 16 for floats.
        notes: What else is good to know, as why only floats were used.
    """

    verdict: Verdict
    reason: str
    derivatives: tuple[Derivative, ...] = ()
    faults: tuple[LocalDerivative, ...] = ()
    kinks: tuple[LocalDerivative, ...] = ()
    noise: float = 0.0
    digits: int = FLOAT_PRECISION.digits
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.verdict == "correct"

    @property
    def is_right_by_chance(self) -> bool:
        """Whether a rule is wrong and the gradient is right all the same: an error times 0, or errors that cancel."""
        is_first_order = all(fault.again is None for fault in self.faults)
        return bool(self.faults) and is_first_order and all(d.verdict == "correct" for d in self.derivatives)

    def __str__(self) -> str:
        width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
        blocks = [_wrap(explain(self), width)]
        if self.derivatives:
            blocks.append("\n".join([indent(_table(self).to_text(width - 2), "  "), *_list_more(self)]))
            blocks.append("\n".join([_wrap(line, width) for line in LEGEND]))
        details = [_wrap(line, width, "  ", "      ") for line in describe_details(self)]
        return "\n\n".join([*blocks, "\n".join(["In detail", *details])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        table, notes = _table(self), [*_list_more(self), *LEGEND] if self.derivatives else []
        plain = Sheet(table.columns, table.rows, table.right, explain(self), notes).to_html()
        lines = "".join([f"<div>{escape(clean_text(line))}</div>\n" for line in describe_details(self)])
        return f"{plain}\n<details><summary>In detail</summary>\n{lines}</details>"  # which open at a click


# ---- in plain words --------------------------------------------------------------------------------------------------
def explain(check: GradientCheck) -> str:
    """What has been found, in words for a beginner; where something is wrong, by how much, and what to look at."""
    match check.verdict:
        case "correct":
            if not check.derivatives:
                return f"The gradient is right: {check.reason}."
            return "The gradient is right. For each variable, the rules and trying give the same number."
        case "wrong" if check.is_right_by_chance:
            return f"The gradient is right at this point, but only by chance: a rule is wrong. {_explain_fault(check)}"
        case "wrong":
            return f"The gradient is wrong. {_explain_fault(check)}"
        case "kink":
            return _explain_kink(check)
        case "outside the domain":
            return f"There is no gradient at this point: {check.reason}."
        case "not repeatable":
            return f"{check.reason[0].upper()}{check.reason[1:]}."
    noise = f" Each value of f is off by about {check.noise:.1g}." if check.noise else ""
    return f"It cannot be told whether the gradient is right: at this point f has too few digits.{noise}"


def _explain_fault(check: GradientCheck) -> str:
    if not check.faults:
        return (
            "Each operation has the right rule. So look at f itself: does it compute with plain numbers, as .data, "
            "float(), detach() and no_grad() give them? No gradient flows through these."
        )
    fault = check.faults[0]
    again = "" if fault.again is None else ", differentiated once more,"
    says, found = fault.derivative.given, fault.derivative.expected
    numbers = ", ".join([f"{x:.6g}" for x in fault.at[:4]] + ["…"] * (len(fault.at) > 4))
    of_input = ""
    if len(fault.at) > 1:
        numbers, i = f"({numbers})", fault.input
        of_input = f" in its {ORDINALS[i]} input" if i < len(ORDINALS) else f" in input {i}"
    rule = f"Look at the rule of {fault.operation}: its derivative{of_input}{again} at {numbers}"
    if says is None:
        return f"{rule} is missing."
    if found is None:
        return f"{rule} is {says:.6g}; by trying it is {fault.derivative.sides}."
    a, b = _format_pair(says, found, differ=True)
    return f"{rule} is {a}; it should be {b}.{_compare(says, found)}"


def _compare(says: float, found: float) -> str:
    """In what way a wrong number is wrong, if that is easy to say."""
    if not (says and found and math.isfinite(found)):
        return ""
    words = {-1.0: " The sign is wrong."}
    for n in range(2, MAX_FACTOR + 1):
        words |= {n: f" That is {n} times too much.", 1 / n: f" A factor of {n} is missing.", -n: "", -1 / n: ""}
    for factor, text in words.items():
        if math.isclose(says / found, factor, rel_tol=1e-6):
            return text
    return f" That is {abs(says - found):.1g} off."


def _explain_kink(check: GradientCheck) -> str:
    kink = f"a kink of {check.kinks[0].operation}" if check.kinks else "a kink"
    for d in check.derivatives:
        if d.verdict == "kink":
            gives = "" if d.given is None else f"; they give {d.given:.6g}"
            between = " between these" if math.isfinite((d.left or 0.0) + (d.right or 0.0)) else ""
            allowed = f"The rules may give any number{between}{gives}."
            return f"There is no one gradient at this point. {d.name} is {d.sides}: this is {kink}. {allowed}"
    return f"The gradient need not be right at this point: the rules go through {kink}, where they choose a slope."


# ---- the table -------------------------------------------------------------------------------------------------------
def _table(check: GradientCheck) -> Sheet:
    columns, rows = ["", "by the rules", "by trying", ""], []
    for d in check.derivatives[:MAX_LISTED]:
        verdict = d.verdict if check.verdict == "wrong" else check.verdict  # which knows more, as of kinks
        rows.append([d.name, *_format_derivative(d), "" if d.verdict == "correct" else f"← {verdict}"])
    used = 4 if any(row[3] for row in rows) else 3
    return Sheet(columns[:used], [row[:used] for row in rows], frozenset({1, 2}))


def _format_derivative(d: Derivative) -> tuple[str, str]:
    rules = "none" if d.given is None else f"{d.given:.6g}"
    if d.expected is not None and d.given is not None and math.isfinite(d.expected):
        return _format_pair(d.given, d.expected, differ=d.verdict != "correct")
    sides = ["none" if side is None else f"{side:.6g}" for side in (d.left, d.right)]
    return rules, "none" if sides == ["none", "none"] else " | ".join(sides)


def _format_pair(a: float, b: float, differ: bool) -> tuple[str, str]:
    """Two numbers with six digits; with more if they are to differ, and do not in six."""
    texts = f"{a:.6g}", f"{b:.6g}"
    return (f"{a:.12g}", f"{b:.12g}") if differ and texts[0] == texts[1] else texts


def _list_more(check: GradientCheck) -> list[str]:
    more = len(check.derivatives) - MAX_LISTED
    return [f"  … and {more} more"] if more > 0 else []


# ---- in detail -------------------------------------------------------------------------------------------------------
def describe_details(check: GradientCheck) -> list[str]:
    """What a specialist asks: all digits, errors and distances, the method and its tolerance, the digits, the notes."""
    lines = [f"{check.verdict}: {check.reason}", *map(_describe_derivative, check.derivatives[:MAX_LISTED])]
    lines += [line.strip() for line in _list_more(check)]
    if check.derivatives:
        lines += [
            f"differences: the slope of a polynomial of degree {DEGREE} through Chebyshev points around x, or to its "
            "left and right, as near as it takes; ± the error, from the last coefficients",
            f"tolerance: {ERROR_FACTOR} times the error, and {SAME:g} of the derivative",
            *[f"the error of one value of f: {check.noise:.1g}"] * bool(check.noise),
            f"decided with {check.digits} digits",
        ]
    return [*lines, *[f"note: {note}" for note in check.notes]]


def _describe_derivative(d: Derivative) -> str:
    if d.given is None or d.expected is None or not math.isfinite(d.expected):
        return str(d)
    apart = abs(d.given - d.expected)
    ulps = apart / math.ulp(d.expected)
    return f"{d}, {f'{ulps:.0f} ulp' if ulps < 10_000 else f'{apart:.2g}'} apart"


# ---- lines -----------------------------------------------------------------------------------------------------------
def _wrap(text: str, width: int, first: str = "", following: str = "") -> str:
    """Breaks a text between words; a longer word, as a path, stays whole."""
    words = " ".join(clean_text(text).split())
    return fill(
        words, width, initial_indent=first, subsequent_indent=following, break_long_words=False, break_on_hyphens=False
    )

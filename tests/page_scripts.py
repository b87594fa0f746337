"""The scripts of the explorer's page without a browser: what reads a text, computes its graph, and groups its boxes.

They are taken out of a page that Python has written, up to those that draw, and run by Node. What the results have to
be is left to the tests.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from javascript import JavaScript

from tinygrad_edu.viz._pages import read_page

READ = """
const seen = (x) => (typeof x === "number" ? String(x) : Array.from(x, String));
function makeTable(columns) {
  const names = Object.keys(columns);
  const numbers = names.map((name) => [name, Float64Array.from(columns[name], Number)]);
  return { names, columns: Object.fromEntries(numbers), rows: columns[names[0]].length };
}
return ({ text, numbers, columns, passes, way, row }) => {
  const table = Object.keys(columns).length ? makeTable(columns) : null;
  let graph;
  try {
    graph = parse(text, table?.names ?? [], (name) => Object.hasOwn(numbers, name));
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    return { error: error.message, at: error.at };
  }
  const given = Object.assign(Object.create(null), numbers), { nodes, root, unused } = graph;
  for (const { kind, name } of nodes) if (kind === "leaf") given[name] = Number(given[name] ?? 1);
  const run = forward(graph, given, table), steps = stepsOf(graph, passes, way);
  const { sums } = gradientsAfter(graph, run, steps, row, way);
  const { problem, steep } = run;
  return {
    nodes: nodes.map(({ kind, op, name, inputs, parameters, ranges }, i) => ({
      kind, op: op ?? "", name: name ?? "", inputs, parameters: parameters.map(String), ranges,
      value: seen(run.values[i]), gradient: seen(sums[i]),
    })),
    root, unused, problem, steep,
    steps: steps.length,
    boxes: boxesOf(graph).map((box) => box.nodes),
  };
};
"""


COUNT = count()  # several pages are in one Node


class Wrong(Exception):
    """The page says that a text is wrong."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Graph(NamedTuple):
    """A graph as the page has it after all steps. A value is a number, or a list with one for each row."""

    nodes: list[dict[str, Any]]
    root: int
    unused: list[str]
    problem: dict[str, Any] | None
    steep: dict[str, Any] | None
    steps: int
    boxes: list[list[int]]

    @property
    def value(self) -> Any:
        return _number(self.nodes[self.root]["value"])

    def values(self) -> dict[str, Any]:
        return {node["name"]: _number(node["value"]) for node in self.nodes if node["name"]}

    def gradients(self, *kinds: str) -> dict[str, Any]:
        """By name; of all nodes that are no constants, or of these kinds."""
        shown = kinds or ("leaf", "data", "operation")
        return {node["name"]: _number(node["gradient"]) for node in self.nodes if node["kind"] in shown}


class PageScripts:
    """The scripts of one page, in Node."""

    def __init__(self, javascript: JavaScript, page: str) -> None:
        self._name = f"readPage{next(COUNT)}"
        data, _, script = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
        before, _ = script.split(read_page("tinygrad_edu.viz.explorer", "plots.js"))
        stub = f"const document = {{ getElementById: () => ({{ textContent: {json.dumps(data)} }}) }};"
        scope = before.strip().removeprefix("(() => {")
        update = "globalThis.updateOnPage = (name, ...xs) => UPDATES.get(name)(...xs);"
        javascript.run(f"globalThis.{self._name} = (() => {{ {stub}\n{scope}\n{update}\n{READ} }})();")
        self._javascript = javascript

    def read(
        self,
        text: str,
        numbers: Mapping[str, float] | None = None,
        columns: Mapping[str, Sequence[float]] | None = None,
        passes: int = 1,
        way: str = "right",
        row: int = 0,
    ) -> Graph:
        """Reads a text, and goes through all steps.

        Raises:
            Wrong: The text is not one that the page can read.
        """
        asked = {
            "text": text,
            "numbers": {name: _text(x) for name, x in (numbers or {}).items()},
            "columns": {name: [_text(x) for x in xs] for name, xs in (columns or {}).items()},
            "passes": passes,
            "way": way,
            "row": row,
        }
        answer = self._javascript.run(f"return {self._name}(JSON.parse({json.dumps(json.dumps(asked))}));")
        if "error" in answer:
            raise Wrong(answer["error"], answer["at"])
        return Graph(**answer)

    def run(self, program: str) -> Any:
        return self._javascript.run(program)


def _text(x: float) -> str:
    return repr(float(x)).replace("inf", "Infinity").replace("nan", "NaN")


def _number(words: Any) -> Any:
    return [float(x) for x in words] if isinstance(words, list) else float(words)

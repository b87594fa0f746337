"""JavaScript for the tests: one Node process that runs generated functions, for as long as the tests last.

A request and its answer are one line of JSON each. The numbers in them are texts, as JSON has neither NaN, nor
Infinity, nor -0. `conftest.py` makes a fixture of it.
"""

import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

SERVER = """
const text = (x) => (Object.is(x, -0) ? "-0" : String(x));
const number = (x) => (Array.isArray(x) ? x.map(number) : Number(x));
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { source, name, calls, program } = JSON.parse(line);
  let answer;
  try {
    if (program) return console.log(JSON.stringify({ result: new Function(program)() }));
    const f = new Function(`"use strict"; ${source}\\nreturn ${name};`)();
    answer = { results: calls.map((numbers) => [f(...numbers.map(number))].flat(Infinity).map(text)) };
  } catch (error) {
    answer = { error: String(error) };
  }
  console.log(JSON.stringify(answer));
});
"""


class JavaScript:
    """Calls the last function of a program, once for each list of numbers or lists, and returns lists of numbers."""

    def __init__(self) -> None:
        self._node = subprocess.Popen(
            ["node", "--eval", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def __call__(self, source: str, calls: Sequence[Sequence[Any]]) -> list[list[float]]:
        name = re.findall(r"^function (\w+)\(", source, re.MULTILINE)[-1]
        texts = [[_text(x) for x in numbers] for numbers in calls]
        answer = self._ask(source, source=source, name=name, calls=texts)
        return [[float(x) for x in results] for results in answer["results"]]

    def run(self, program: str) -> Any:
        """What a program returns, as JSON has it; what it gives to `globalThis` is there for the next one."""
        return self._ask(program, program=program).get("result")

    def _ask(self, text: str, **request: Any) -> Any:
        print(json.dumps(request), file=self._node.stdin, flush=True)
        answer = json.loads(self._node.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{answer['error']} in\n{text[:2000]}")
        return answer

    def close(self) -> None:
        self._node.communicate()  # with no more input it ends


def _text(x: Any) -> Any:
    return [_text(part) for part in x] if isinstance(x, list) else repr(float(x)).replace("inf", "Infinity")

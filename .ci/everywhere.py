"""What must work, and print the same, on any machine and in Pyodide: the engine, models, training, pictures as SVG.

`run` compares what this prints in CPython with what it prints in Pyodide, where `pyodide.mjs` runs it. Digits are as
many as the mathematical functions of two systems share, and of a picture its texts are printed: another Graphviz may
place them elsewhere.
"""

import sys
import tempfile
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import tinygrad_edu as tg

print(sorted({"numpy", "matplotlib", "graphviz"} & sys.modules.keys()))  # none comes with the engine

x, w, b = tg.Value(2.0, label="x"), tg.Value(-0.5, label="w"), tg.Value(0.3, label="b")
y = tg.tanh(w * x + b)
y.backward()
print(f"{y.data:.12f} {w.grad:.12f} {tg.derivative(tg.tanh, 3)(0.5):.12f} {bool(tg.testing.gradcheck(tg.tanh, 0.5))}")

X, t = tg.data.moons(60, noise=0.1, seed=1, labels=(-1, 1))
model = tg.nn.MLP(2, [8, 1], activation="tanh", rng=Random(1))
adam = tg.optim.Adam(model.parameters(), lr=0.1)
history = tg.train.fit(model, X, t, loss=tg.losses.hinge, optimizer=adam, epochs=40, progress=False)
assert history.loss[-1] < history.loss[0] / 3
print(f"{history.loss[0]:.10f} {history.loss[-1]:.8f} {model([1.0, 0.0]).data:.8f}")


def print_texts(svg: str) -> None:
    """The texts of a picture, in the order in which the nodes are drawn."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    print(*["".join(text.itertext()) for text in texts], sep=" | ")


print_texts(tg.draw(y, parameters=[w, b]).svg)
print_texts(tg.draw(tg.losses.mse([model(x) for x in X[:20]], t[:20])).svg)  # in groups
print_texts(y._repr_mimebundle_()[0]["image/svg+xml"])  # in a notebook

with tempfile.TemporaryDirectory() as folder:
    tg.draw(y).save(f"{folder}/graph.svg")
    tg.draw(y).save(f"{folder}/graph.html")
    tg.explore(y, f"{folder}/page.html", parameters=[w, b])
    print([path.name for path in sorted(Path(folder).iterdir()) if path.stat().st_size > 5000])
    problem = ""
    try:
        tg.draw(y).save(f"{folder}/graph.png")
    except ImportError as error:
        problem = str(error)
    assert problem.endswith("save the picture as .svg") == (sys.platform == "emscripten"), problem

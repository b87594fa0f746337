# %% [markdown]
# # Build it yourself
#
# From an empty class to a working autograd engine, in nine steps. After each one the package's *grader* examines what
# you have, and says what is passed, missing or wrong, with the smallest program that shows it. You can do the same with
# a file of your own: `tinygrad-edu grade my_engine.py`.
#
# We build what most people build first, an engine with a closure at each node, and then find out by measuring why this
# package is built around a table of rules instead.
#
# You need: Lesson 4, and to have written a class in Python.

# %%
import copy
import gc
import math
import pickle
import tracemalloc
from statistics import median
from time import perf_counter

import matplotlib.pyplot as plt
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.testing import grade
from tinygrad_edu.viz.plots import style_axes

# %% [markdown]
# ## Step 0: nothing

# %%


class Value:
    pass


print(grade(Value, only=["value"]))

# %% [markdown]
# The grader shows what it tried, what it got, and what to look at. From here on we show a short form of it, and all
# that is asked so far has to pass.

# %%
asked = []


def examine(*concepts):
    """Grades the class as it is now: these concepts, and all from the steps before."""
    asked.extend(concepts)
    found = grade(Value, only=asked)
    for result in found.results:
        if result.name in concepts:
            print(f"{result.status:8} {result.name:26} {result.examines}")
    assert found.passed


# %% [markdown]
# ## Step 1: a number
#
# `data` is the number, `grad` the place for its gradient. Both belong to the object, so they are made in `__init__`.

# %%


class Value:
    def __init__(self, data, inputs=()):
        self.data = data
        self.grad = 0.0
        self._prev = inputs  # the Values that it was computed from
        self._backward = lambda: None  # what to do with the gradient, once it is known

    def __repr__(self):
        return f"Value(data={self.data}, grad={self.grad})"


examine("value", "data-and-grad", "repr")

# %% [markdown]
# ## Step 2: sums and products
#
# An operation computes its number, remembers its inputs, and leaves a function behind that will pass the gradient on:
# for each input, the local derivative times the gradient of the output. For $z = x\,y$ that is
# $\frac{\partial L}{\partial x} = y\,\frac{\partial L}{\partial z}$. It is *added* to what is there, as an input may be
# used more than once. (Here is a first `backward` too. It looks right, and is not; wait for it.)

# %%


def add(self, other):
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data + other.data, (self, other))

    def backward():
        self.grad += out.grad
        other.grad += out.grad

    out._backward = backward
    return out


def multiply(self, other):
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data * other.data, (self, other))

    def backward():
        self.grad += other.data * out.grad
        other.grad += self.data * out.grad

    out._backward = backward
    return out


def first_backward(self):
    self.grad = 1.0
    waiting = [self]
    while waiting:
        node = waiting.pop()
        node._backward()
        waiting.extend(node._prev)


Value.__add__, Value.__mul__, Value.backward = add, multiply, first_backward
examine("root-gradient", "addition", "multiplication", "chain-rule", "accumulation")

# %% [markdown]
# ## Step 3: the other way round
#
# `2 + a` is not `a + 2`: Python first asks the int, which knows nothing of Values, and then calls `a.__radd__(2)`. A
# sum or a product does not care.

# %%
Value.__radd__, Value.__rmul__ = add, multiply
examine("reflected-addition", "reflected-multiplication", "sum", "constants")

# %% [markdown]
# `sum([a, b])` passes as well: it begins with `0 + a`.
#
# ## Step 4: power, and what follows from it
#
# With $x^n$ for a plain number $n$ there is division too: $a / b = a \cdot b^{-1}$; and subtraction with a product. No
# new derivative is needed for either. At $x = 0$ take care: $x^0$ is 1 everywhere and its slope is 0, where the formula
# $n\,x^{n-1}$ divides by zero.

# %%


def power(self, n):
    if not isinstance(n, (int, float)):
        return NotImplemented
    out = Value(self.data**n, (self,))

    def backward():
        if n != 0:
            self.grad += n * self.data ** (n - 1) * out.grad

    out._backward = backward
    return out


Value.__pow__ = power
Value.__neg__ = lambda self: self * -1
Value.__sub__ = lambda self, other: self + (-other)
Value.__rsub__ = lambda self, other: other + (-self)
Value.__truediv__ = lambda self, other: self * other**-1
Value.__rtruediv__ = lambda self, other: other * self**-1
examine("power", "power-of-negative", "power-at-zero", "negation", "subtraction", "reflected-subtraction")
examine("division", "reflected-division")

# %% [markdown]
# ## Step 5: functions
#
# Each is a number and a local derivative; for tanh and exp it is easily computed from the output.

# %%


def function(value, slope):
    """A method: the number value(x), and the local derivative slope(x, y) at the input x and the output y."""

    def method(self):
        out = Value(value(self.data), (self,))

        def backward():
            self.grad += slope(self.data, out.data) * out.grad

        out._backward = backward
        return out

    return method


Value.relu = function(lambda x: max(x, 0.0), lambda x, y: 1.0 if x > 0 else 0.0)
Value.tanh = function(math.tanh, lambda x, y: 1 - y * y)
Value.exp = function(math.exp, lambda x, y: y)
Value.log = function(math.log, lambda x, y: 1 / x)
examine("relu", "tanh", "exp", "log")

# %% [markdown]
# ## Step 6: the order
#
# Everything has passed so far, so is the engine done? Not yet:

# %%
print(grade(Value, only=["shared-nodes"]))

# %% [markdown]
# `b` is used twice, so `first_backward` came to it twice. The first time it passed on one half of its gradient, the
# second time the whole. A node may pass its gradient on *once*, when everything that uses it has contributed. An order
# in which that is so is called a **topological order**, and this is how to find one: a node comes after all of its
# inputs. Backwards, it comes before them.

# %%


def order_of(root):
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for x in node._prev:
                visit(x)
            order.append(node)

    visit(root)
    return order


def backward_in_order(self):
    self.grad = 1.0
    for node in reversed(order_of(self)):
        node._backward()


Value.backward = backward_in_order
examine("shared-nodes", "order", "equal-numbers", "inputs-unchanged", "separate-graphs", "many-paths")

# %% [markdown]
# ## Step 7: again
#
# Training goes backward again and again. The gradients of *leaves* add up until they are set to zero. What an earlier
# pass has left in a node between must not get in: so these start at zero each time.

# %%


def backward_again(self):
    order = order_of(self)
    for node in order:
        if node._prev:
            node.grad = 0.0
    self.grad = 1.0
    for node in reversed(order):
        node._backward()


Value.backward = backward_again
examine("gradients-add-up", "zeroing", "second-backward")

# %% [markdown]
# ## Step 8: depth
#
# A loop of a thousand additions, as in any sum, is a chain of a thousand nodes, and `visit` calls itself a thousand
# times. Python stops there:

# %%
print(grade(Value, only=["deep-chains"])["deep-chains"].error)

# %% [markdown]
# A list will do what the calls did. A node is put there twice: first to look at its inputs, and below them to be
# written down when they are done.

# %%


def order_of(root):
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, inputs_are_done = stack.pop()
        if inputs_are_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in node._prev)
    return order


examine("deep-chains", "generated-expressions")

# %% [markdown]
# ## Step 9: all of it

# %%
found = grade(Value)
print(found.summary())
assert {r.name for r in found.results if not r.passed} == {"reflected-power", "value-exponent"}

# %% [markdown]
# Only `2 ** a` and `a ** b` are left, which micrograd does not have either. This is a real engine: some eighty lines,
# and it trains networks. Many stop here. Now let us use it in earnest.
#
# ## What breaks
#
# **A second derivative.** The closures compute with floats, so a gradient is a float, and there is nothing to
# differentiate again.

# %%
a = Value(2.0)
(a**3).backward()
print(a.grad, type(a.grad).__name__)

# %% [markdown]
# **A copy.** A function is not copied by `copy.deepcopy`, so the closures of the copy still refer to the nodes of the
# original, and `backward()` on the copy reads a gradient of 0 there. No error, wrong numbers:

# %%
a = Value(2.0)
y = a * a
twin = copy.deepcopy(y)
twin.backward()
print(f"gradient of the original: {a.grad}, of the copy: {twin._prev[0].grad}")
assert twin._prev[0].grad != 4.0

# %% [markdown]
# **A pickle**, to send a graph to another process: closures cannot be pickled at all.

# %%
try:
    pickle.dumps(y)
except (AttributeError, pickle.PicklingError, TypeError) as error:
    print(type(error).__name__, error)

# %% [markdown]
# **Two gradients at once.** They are stored in the nodes, so the second one lands on top of the first, and whoever
# wants $\nabla f$ and $\nabla g$ of shared parameters has to clear and copy by hand:

# %%
a, b = Value(2.0), Value(3.0)
f, g = a * b, a + b
f.backward()
g.backward()
print(f"∂f/∂a is 3, ∂g/∂a is 1, and a.grad is {a.grad}")
assert a.grad == 4.0

# %% [markdown]
# **Memory.** The node refers to its function and the function to the node: a circle. Nobody outside holds it any more
# after a training step, but Python frees an object when its *last reference* goes, and in a circle there is always one
# left. Only the cycle collector finds such garbage, by looking through the objects there are, again and again.

# %%


def network(V, n=400):
    """A graph of 5 n operations, such as a small network makes."""
    w = [V(0.1 * (i % 7) - 0.3) for i in range(8)]
    total = V(0.0)
    for i in range(n):
        total = total + (w[i % 8] * (0.01 * i) + w[(i + 3) % 8]).tanh() * w[(i + 5) % 8]
    return total, w


def left_behind(V):
    """How many objects wait for the cycle collector when a graph has gone out of use."""
    gc.collect()
    gc.disable()
    total, _ = network(V)
    total.backward()
    del total, _
    waiting = gc.collect()
    gc.enable()
    return waiting


print(f"closures: {left_behind(Value):,} objects can only be freed by the cycle collector")
assert left_behind(Value) > 5000

# %% [markdown]
# ## The table of rules
#
# All of these have two causes: the derivative is locked up in a function *of that node*, and the gradient is stored
# there. So write the derivative down once, for the *operation*, as a function of the numbers: inputs and output go in,
# local derivatives come out. A node then keeps only its number, the name of its operation, and its inputs. The
# gradients are kept by the pass that computes them, in a dict; only `backward()` still leaves them in `grad`, as
# everybody expects it to.

# %%
RULES = {  # operation: (value of the inputs, local derivatives of the output y and the inputs)
    "+": (lambda a, b: a + b, lambda y, a, b: (1.0, 1.0)),
    "*": (lambda a, b: a * b, lambda y, a, b: (b, a)),
    "/": (lambda a, b: a / b, lambda y, a, b: (1.0 / b, -y / b)),
    "**": (lambda a, n: a**n, lambda y, a, n: (n * a ** (n - 1) if n else 0.0, None)),
    "relu": (lambda a: a * step(a), lambda y, a: (step(a),)),
    "step": (lambda a: 1.0 if a > 0 else 0.0, lambda y, a: (0.0,)),
    "tanh": (lambda a: tanh(a), lambda y, a: (1.0 - y * y,)),
    "exp": (lambda a: exp(a), lambda y, a: (y,)),
    "log": (lambda a: log(a), lambda y, a: (1.0 / a,)),
}


class Node:
    __slots__ = ("_prev", "data", "grad", "op")

    def __init__(self, data, op="", inputs=()):
        self.data, self.op, self._prev, self.grad = data, op, inputs, 0.0

    def __repr__(self):
        return f"Node(data={self.data}, grad={self.grad})"

    def gradients(self, numbers=lambda node: node.data):
        """The chain rule: a dict with the gradient of each node. Nothing is stored in the graph."""
        result = {self: 1.0}
        for node in reversed(nodes_of(self)):
            if node.op and node in result:
                inputs = [numbers(x) if isinstance(x, Node) else x for x in node._prev]
                slopes = RULES[node.op][1](numbers(node), *inputs)
                for x, slope in zip(node._prev, slopes):
                    if isinstance(x, Node):
                        result[x] = result.get(x, 0.0) + result[node] * slope
        return result

    def backward(self):
        for node, gradient in self.gradients().items():
            node.grad = gradient if node.op else node.grad + gradient

    def __pow__(self, n):
        return apply("**", self, n) if isinstance(n, (int, float)) else NotImplemented


def apply(op, *inputs):
    return Node(RULES[op][0](*[x.data if isinstance(x, Node) else x for x in inputs]), op, inputs)


def operator(op):
    return lambda a, b: apply(op, a, b), lambda a, b: apply(op, b, a)


def on_any_number(name, function):
    """On a Value it makes a node, on a float it computes."""
    return lambda a: apply(name, a) if isinstance(a, Node) else function(a)


Node.__add__, Node.__radd__ = operator("+")
Node.__mul__, Node.__rmul__ = operator("*")
Node.__truediv__, Node.__rtruediv__ = operator("/")
Node.__neg__ = lambda self: self * -1.0
Node.__sub__ = lambda self, other: self + -1.0 * other
Node.__rsub__ = lambda self, other: other + -self
tanh, exp, log = (on_any_number(f.__name__, f) for f in (math.tanh, math.exp, math.log))
step = on_any_number("step", RULES["step"][0])
Node.tanh, Node.exp, Node.log, Node.step = tanh, exp, log, step
Node.relu = lambda self: apply("relu", self)


def nodes_of(root):  # order_of, passing over plain numbers
    order, seen, stack = [], set(), [(root, False)]
    while stack:
        node, inputs_are_done = stack.pop()
        if inputs_are_done:
            order.append(node)
        elif isinstance(node, Node) and node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((x, False) for x in node._prev)
    return order


found = grade(Node)
print(found.summary())
assert {r.name for r in found.results if not r.passed} == {"reflected-power", "value-exponent"}

# %% [markdown]
# The same grade. And now what was impossible before. `gradients` takes the rules' numbers from the nodes; what if it
# takes *the nodes themselves*? Then the rules compute with Nodes, and the gradient is a graph:

# %%
x = Node(0.5)
y = x.tanh() * x**3
slope = y.gradients(numbers=lambda node: node)[x]
second = slope.gradients(numbers=lambda node: node)[x]
print(y.data, slope.data, second.data)

exact = tg.derivative(lambda x: x.tanh() * x**3, 2)(0.5)
print("by the package:", exact)
assert abs(second.data - exact) < 1e-12

# %%
a = Node(2.0)
y = a * a
twin = pickle.loads(pickle.dumps(copy.deepcopy((a, y))))  # copied and pickled, as it is plain data
twin[1].backward()
print(f"gradient of the original: {a.grad}, of the copy: {twin[0].grad}")
assert (a.grad, twin[0].grad) == (0.0, 4.0)

b = Node(3.0)
f, g = a * b, a + b  # two gradients, side by side
print([f.gradients()[v] for v in (a, b)], [g.gradients()[v] for v in (a, b)])

print(f"rules: {left_behind(Node):,} objects wait for the cycle collector")
assert left_behind(Node) == 0

# %% [markdown]
# ## Time and memory, measured
#
# The same graph on both, and on the package's `Value`, which has the same design and more care. The engines take turns,
# and have to agree on the gradients.

# %%


def seconds(V):
    start = perf_counter()
    total, w = network(V, n=4000)
    total.backward()
    return perf_counter() - start, [v.grad for v in w]


def bytes_held(V):
    tracemalloc.start()
    total, _ = network(V, n=4000)
    total.backward()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 20_000  # operations: two products, two sums and a tanh for each of the 4000 terms


engines = {"closures": Value, "rules": Node, "tinygrad_edu": tg.Value}
times = {name: [] for name in engines}
for _ in range(7):
    for name, V in engines.items():
        took, gradients = seconds(V)
        times[name].append(took)
        assert all(abs(p - q) < 1e-9 for p, q in zip(gradients, seconds(tg.Value)[1]))
milliseconds = {name: 1000 * median(took) for name, took in times.items()}
memory = {name: bytes_held(V) for name, V in engines.items()}
print(f"{'':14}{'ms':>8}{'bytes an operation':>22}")
for name in engines:
    print(f"{name:14}{milliseconds[name]:8.1f}{memory[name]:22.0f}")
assert memory["rules"] < memory["closures"]

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 2.2), layout="constrained")
for ax, figures, title in zip(axes, (milliseconds, memory), ("ms, forward and backward", "bytes an operation")):
    style_axes(ax, "", "", title)
    ax.bar_label(ax.barh(list(figures), list(figures.values())), fmt="%.0f", padding=3)
    ax.margins(x=0.15)
    ax.invert_yaxis()

# %% [markdown]
# A closure costs a function object, a cell for each variable in it, and a circle. And one table makes more possible,
# since its rules do not care what kind of number they get: the formula on an edge of a drawing (numbers that are text),
# a program for NumPy or JavaScript (numbers that are places on a tape), fifty digits (mpmath's numbers), exact
# fractions. Last, a derivative is written *once*. There is no second place where it could be wrong.
#
# Note `step` in the table. `1.0 if a > 0 else 0.0` inside relu's derivative would look at the number and put a constant
# into the second derivative's graph. As an operation of its own, it is recorded like any other.
#
# ## Where the package does it
#
# - `tinygrad_edu/rules.py` and `tinygrad_edu/ops.py`: the table. `m` is where `tanh`, `exp` and `step` come from, one
#   `NumberSystem` for each kind of number.
# - `tinygrad_edu/engine.py`: the class of this notebook's end, with constants, errors that say where, and threads.
# - `tinygrad_edu/gradients.py`: `sweep` is `gradients` from above.
# - `tinygrad_edu/testing/grader/concepts.py`: all that the grader examines.

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Add `sin` and `cos` to the table, each the derivative of the other (almost). Differentiate $\sin$ four times at
# 1: the `derivatives` are a list of four numbers.

# %%
# Your code here
derivatives = ...
tg.teach.check("6.1", derivatives)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
add_sine = tg.teach.exercise("6.1").solution()
display(add_sine)

sin, cos = add_sine(RULES, on_any_number)
x = Node(1.0)
y = sin(x)
derivatives = []
for n in range(4):
    y = y.gradients(numbers=lambda node: node)[x]
    derivatives.append(y.data)
    print(n + 1, y.data)
assert abs(y.data - math.sin(1.0)) < 1e-15
tg.teach.check("6.1", derivatives)

# %% [markdown]
# **2.** Give the engine `a ** b` for two Nodes, so that the grader's `value-exponent` passes. What are the slopes of $y
# = a^b$, in $a$ and in $b$?


# %%
# Your code here
def slopes(y, a, b):
    return ..., ...


tg.teach.check("6.2", slopes)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
slopes = tg.teach.exercise("6.2").solution()
display(slopes)

RULES["pow"] = (lambda a, b: a**b, lambda y, a, b: slopes(y, a, b, log))  # for a plain exponent there is `**`
Node.__pow__ = lambda self, n: apply("pow" if isinstance(n, Node) else "**", self, n)
Node.__rpow__ = lambda self, base: exp(self * math.log(base))
found = grade(Node)
print(found.summary())
assert found.passed
tg.teach.check("6.2", slopes)

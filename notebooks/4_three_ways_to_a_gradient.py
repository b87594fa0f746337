# %% [markdown]
# # Lesson 4: three ways to a gradient
#
# A gradient can be had (1) by nudging each parameter and seeing what happens, (2) by formulas that somebody has
# derived, (3) by a program that remembers what it computed. We train the same line with all three, compare them to the
# last digit, and then build an engine for the third from nothing: first one that looks right and is wrong, then one
# that is right.
#
# You need: Lesson 1.

# %%
import math

import matplotlib.pyplot as plt
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import plot_derivative, plot_fit, plot_numeric_gradient

# %% [markdown]
# ## What a derivative is, in pictures
#
# The derivative of a function at $x$ is the slope of its tangent there. The derivative of sin is cos:

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
plot_derivative(lambda x: x.sin(), left, at=1.0, name="sin", interval=(-6.3, 6.3))
plot_derivative(lambda x: 2 * x**2, right, at=1.0, name="y", interval=(-2, 2))
xs = [i / 4 for i in range(-8, 9)]
h = 0.001
(dots,) = right.plot(xs, [(2 * (x + h) ** 2 - 2 * x**2) / h for x in xs], "k.")
legend = right.get_legend()
names = [text.get_text() for text in legend.get_texts()]
_ = right.legend([*legend.legend_handles, dots], [*names, "numeric, h = 0.001"], frameon=False)
_ = left.set_ylim(-1.1, 2.1)  # room for the legend

# %% [markdown]
# The dots on the right are *numeric* derivatives of $y = 2x^2$: the change of $y$ over a small change $h$ of $x$. They
# lie on the line $4x$, or so it seems.
#
# ## Mean squared error, by hand
#
# Three students are predicted 80, 90 and 70 points, and get 75, 85 and 75. The errors are 5, 5 and −5, their squares
# 25, 25 and 25, the mean
#
# $$\text{MSE} = \frac{25 + 25 + 25}{3} = 25 .$$

# %%
mse = tg.losses.mse([80.0, 90.0, 70.0], [75.0, 85.0, 75.0])
print(mse)
assert mse == 25

# %% [markdown]
# ## The line and its data
#
# $y = x + \text{noise}$ for a hundred inputs from $-0.50$ to $0.49$; the noise is a formula, so that everybody gets the
# same numbers. The model is $\hat y = w x + b$ from $w = 0.1$, $b = 1.0$, the loss is the MSE, and there are 300 epochs
# with $\eta = 0.08$, each one update.

# %%
n = 100
x = [i / 100 for i in range(-50, 50)]
y = [xi + 0.2 * math.sin(12.9898 * i) for i, xi in enumerate(x)]
η, epochs = 0.08, 300


def loss_of(w, b):
    return sum((yi - (w * xi + b)) ** 2 for xi, yi in zip(x, y)) / n


print(f"loss before: {loss_of(0.1, 1.0):.10f}")
assert abs(loss_of(0.1, 1.0) - 1.0811403340) < 5e-11

# %% [markdown]
# ### (1) By finite differences
#
# Nudge one parameter by $h$, and see how much the loss changes. It needs nothing but the loss itself, and one more
# evaluation of it for each parameter:
#
# $$\frac{\partial L}{\partial w} \approx \frac{L(w + h, b) - L(w, b)}{h}.$$


# %%
def by_differences(w, b, h=0.001):
    here = loss_of(w, b)
    return (loss_of(w + h, b) - here) / h, (loss_of(w, b + h) - here) / h


# %% [markdown]
# ### (2) By formulas
#
# The chain rule, by hand: the derivative of $(y - \hat y)^2$ in $w$ is $-2x(y - \hat y)$, in $b$ it is
# $-2(y - \hat y)$; averaged over the samples.


# %%
def by_formulas(w, b):
    errors = [yi - (w * xi + b) for xi, yi in zip(x, y)]
    return sum(-2 * xi * e for xi, e in zip(x, errors)) / n, sum(-2 * e for e in errors) / n


# %% [markdown]
# ### (3) By `Value`
#
# The loss is computed on Values, and `backward()` applies the chain rule. Note that `loss_of` is the very function from
# above.


# %%
def by_value(w, b):
    w, b = tg.Value(w, label="w"), tg.Value(b, label="b")
    loss_of(w, b).backward()
    return w.grad, b.grad


# %%
def train(gradient):
    path = [(0.1, 1.0)]
    for _ in range(epochs):
        w, b = path[-1]
        dw, db = gradient(w, b)
        path.append((w - η * dw, b - η * db))
    return path


paths = {"differences": train(by_differences), "formulas": train(by_formulas), "Value": train(by_value)}
for name, path in paths.items():
    w, b = path[-1]
    print(f"{name:12} w = {w:.10f}  b = {b:.10f}  loss {loss_of(w, b):.10f}")

gap = max(abs(p - q) for a, c in zip(paths["formulas"], paths["Value"]) for p, q in zip(a, c))
print(f"formulas and Value differ by at most {gap:.1e}, over all epochs")
assert gap < 1e-12
for name in ("formulas", "Value"):
    w, b = paths[name][-1]
    assert max(abs(w - 0.9634008185), abs(b - 0.0057788668), abs(loss_of(w, b) - 0.0197184091)) < 5e-11
w, b = paths["differences"][-1]
assert max(abs(w - 0.9628801713), abs(b - 0.0052762678)) < 1e-9

# %%
w, b = paths["Value"][-1]
ax = plot_fit(x, y, {"before": [0.1 * xi + 1.0 for xi in x], "after": [w * xi + b for xi in x]})

# %% [markdown]
# ## Why the differences are off
#
# (2) and (3) are the same to the rounding of floats. (1) ends at another $w$, off in the fourth digit. Taylor's formula
# says by how much:
#
# $$\frac{L(w + h) - L(w)}{h} = L'(w) + \underbrace{\tfrac12 h\,L''(w) + \dots}_{\text{cut off: truncation error}}$$
#
# Our loss is quadratic, so $L''$ is a constant and there are no further terms: in $b$ it is $2$, so the difference is
# too large by exactly $\tfrac12 \cdot 0.001 \cdot 2 = 0.001$, and in $w$ it is $2\,\overline{x^2}$. The descent goes to
# where the *wrong* gradient is 0. For a parabola of one variable that is $\tfrac12 h$ to the left of its minimum, and
# so it nearly is here, in both parameters:

# %%
mean_square = sum(xi * xi for xi in x) / n
(dw, db), (ew, eb) = by_differences(0.1, 1.0), by_formulas(0.1, 1.0)
print(f"in w: off by {dw - ew:.10f}, h · mean of x² is {0.001 * mean_square:.10f}")
print(f"in b: off by {db - eb:.10f}, h is {0.001:.10f}")
assert abs((dw - ew) - 0.001 * mean_square) < 1e-10
assert abs((db - eb) - 0.001) < 1e-10

shift_w = paths["differences"][-1][0] - paths["Value"][-1][0]
shift_b = paths["differences"][-1][1] - paths["Value"][-1][1]
print(f"after training: w is off by {shift_w:.6f}, b by {shift_b:.6f}; −h/2 is {-0.001 / 2}")
assert max(abs(shift_w + 0.0005), abs(shift_b + 0.0005)) < 5e-5

# %% [markdown]
# So take a smaller $h$? Only so far. A float has 53 bits, so $L$ is known to about $2^{-53}$ of itself; the difference
# of two such numbers, divided by $h$, has an error of up to about $2^{-52} L / h$, which *grows* as $h$ gets smaller.
# In the picture: truncation on the right, rounding on the left, and a best $h$ between them, where half of the digits
# are lost anyway. The central difference $(L(w+h) - L(w-h))/2h$ does better, and has the same two sides. Here for
# $e^{\sin w}$ at $w = 1$, whose third derivative is not 0:

# %%
ax = plot_numeric_gradient(lambda w: w.sin().exp(), 1.0)

# %% [markdown]
# And for our loss in $w$, whose second derivative is small and third is 0: the central difference has no truncation
# error at all.

# %%
ax = plot_numeric_gradient(lambda w: loss_of(w, 1.0), 0.1)

# %% [markdown]
# Differences cost one evaluation of the loss for each parameter, and are never exact. Formulas are exact, but somebody
# has to derive them anew for each model. `Value` is exact, derives them itself, and costs a few evaluations, however
# many parameters there are.
#
# ## The graph that it remembers
#
# For $e = \sin((a + b)\cdot 2)$, and $d = a \cdot b$ beside it, which $e$ does not depend on. Both graphs share the
# leaves $a$ and $b$:

# %%
a, b = tg.Value(2.0, label="a"), tg.Value(-3.0, label="b")
c = a + b
c.label = "c"
e = (c * 2).sin()
e.label = "e"
d = a * b
d.label = "d"
e.backward()
tg.draw([e, d], parameters=[])

# %% [markdown]
# Only what lies behind $e$ got a gradient from `e.backward()`; $d$'s is 0.
#
# ## A tiny engine from nothing
#
# What does a class need, to do that? A number, the inputs it was computed from, and the slope towards each of them.
# This is the first thing that comes to mind: each operation stores the slopes, and `backward` passes gradient · slope
# on to the inputs, at once, by recursion.


# %%
class Naive:
    """Looks right, and is wrong."""

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.inputs, self.slopes, self.grad = data, inputs, slopes, 0.0

    def __add__(self, other):
        return Naive(self.data + other.data, (self, other), (1.0, 1.0))

    def __sub__(self, other):
        return Naive(self.data - other.data, (self, other), (1.0, -1.0))

    def __mul__(self, other):
        return Naive(self.data * other.data, (self, other), (other.data, self.data))

    def __truediv__(self, other):
        return Naive(self.data / other.data, (self, other), (1 / other.data, -self.data / other.data**2))

    def __pow__(self, other):  # the slope of aⁿ is n·aⁿ⁻¹
        return Naive(self.data**other.data, (self, other), (other.data * self.data ** (other.data - 1), 0.0))

    def __neg__(self):
        return Naive(-self.data, (self,), (-1.0,))

    def relu(self):
        return Naive(max(self.data, 0.0), (self,), (1.0 if self.data > 0 else 0.0,))

    def backward(self, gradient=1.0):
        self.grad = gradient
        for x in self.inputs:
            x.grad = 0.0  # clear what an earlier pass has left
        for x, slope in zip(self.inputs, self.slopes):
            x.backward(self.grad * slope)


# %% [markdown]
# On a chain, and wherever no number is used twice, it works:

# %%
x1, w1 = Naive(2.0), Naive(-3.0)
y1 = (x1 * w1 + Naive(10.0)).relu()
y1.backward()
print(x1.grad, w1.grad)
assert (x1.grad, w1.grad) == (-3.0, 2.0)

# %% [markdown]
# Now the real one beside it, on three small programs. What is right, anybody can compute: in `b = a + a; c = b + b`,
# $c = 4a$.

# %%


def twice(V):
    a = V(3.0)
    b = a + a
    c = b + b
    c.backward()
    return [a.grad]


def shared(V):
    a, k = V(3.0), V(2.0)
    b = a * k  # an interior node that is used twice:
    c = b * b + b  # c = (2a)² + 2a, so dc/da = 8a + 2 = 26
    c.backward()
    return [a.grad]


def exponent(V):
    a, n = V(3.0), V(2.0)
    (a**n).backward()  # in n: aⁿ·log a = 9·log 3
    return [a.grad, n.grad]


right = {"twice": [4.0], "shared": [26.0], "exponent": [6.0, 9 * math.log(3)]}
print(f"{'program':10} {'right':>16} {'naive':>16} {'Value':>16}")
for program in (twice, shared, exponent):
    columns = [right[program.__name__], program(Naive), program(tg.Value)]
    print(f"{program.__name__:10}", *(f"{' '.join(f'{g:.4f}' for g in column):>16}" for column in columns))
    assert program(tg.Value) == right[program.__name__]
    assert program(Naive) != right[program.__name__]

# %% [markdown]
# Three mistakes, and what each teaches:
#
# - **`self.grad = gradient` instead of `+=`**, and clearing on the way: a number that is used twice influences the
#   result along two ways, and the chain rule *adds* them. The second way overwrites the first. So: gradients add up,
#   and they are cleared before the pass, not within it.
# - **Recursing at once**: even with `+=`, an interior node like `b` would pass on its gradient when it has got only one
#   part of it, and then once more with both. It may pass on only when all that use it have contributed. So: visit the
#   nodes in *topological order*, here from the result back, each after everything that uses it.
# - **The exponent is a variable too**: $\partial a^n / \partial n = a^n \log a$. A slope that is left out is a gradient
#   of 0.
#
# ## The engine, repaired


# %%
class Node:
    """Small, and right."""

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.inputs, self.slopes, self.grad = data, inputs, slopes, 0.0

    def __add__(self, other):
        return Node(self.data + other.data, (self, other), (1.0, 1.0))

    def __sub__(self, other):
        return Node(self.data - other.data, (self, other), (1.0, -1.0))

    def __mul__(self, other):
        return Node(self.data * other.data, (self, other), (other.data, self.data))

    def __truediv__(self, other):
        return Node(self.data / other.data, (self, other), (1 / other.data, -self.data / other.data**2))

    def __pow__(self, other):
        y = self.data**other.data
        return Node(y, (self, other), (other.data * self.data ** (other.data - 1), y * math.log(self.data)))

    def __neg__(self):
        return Node(-self.data, (self,), (-1.0,))

    def relu(self):
        return Node(max(self.data, 0.0), (self,), (1.0 if self.data > 0 else 0.0,))

    def backward(self):
        order, seen = [], set()

        def visit(node):  # inputs first
            if node not in seen:
                seen.add(node)
                for x in node.inputs:
                    visit(x)
                order.append(node)

        visit(self)
        for node in order:
            node.grad = 0.0
        self.grad = 1.0
        for node in reversed(order):  # so each node comes after all that use it
            for x, slope in zip(node.inputs, node.slopes):
                x.grad += node.grad * slope


for program in (twice, shared, exponent):
    print(f"{program.__name__:10}", program(Node))
    assert program(Node) == right[program.__name__]

# %% [markdown]
# Some thirty lines that differentiate any program made of these operations. What it lacks, and the engine of this
# package has: a way without recursion (a chain of 1000 nodes is too deep for `visit`), plain numbers among the Values,
# so that the square of a negative number does not ask for its logarithm, errors that say where, and slopes that can be
# differentiated again. The notebook *build it yourself* goes there step by step.
#
# ## Where the package does it
#
# - `topological_order` in `tinygrad_edu/graph.py`: the same order as `visit`, with a stack.
# - `backward` and `_backward` in `tinygrad_edu/engine.py`. The slopes: `tinygrad_edu/ops.py`, where `pow` has both.
# - The plots of numeric gradients: `tinygrad_edu/viz/gradient_plots.py`.

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** With central differences, how close does training (1) come to (2)? Write them for any function $f(w, b)$, such
# as `loss_of`.


# %%
# Your code here
def by_central_differences(f, w, b, h=0.001):
    return ..., ...


tg.teach.check("4.1", by_central_differences)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
by_central_differences = tg.teach.exercise("4.1").solution()
display(by_central_differences)

w, b = train(lambda w, b: by_central_differences(loss_of, w, b))[-1]
print(abs(w - paths["formulas"][-1][0]), abs(b - paths["formulas"][-1][1]))
assert abs(w - paths["formulas"][-1][0]) < 1e-10
tg.teach.check("4.1", by_central_differences)

# %% [markdown]
# **2.** Repair only the first mistake of `Naive` (`+=`, no clearing). Which of the three programs come out right, and
# what do the others give?

# %%
# Your code here
of_twice, of_shared, of_exponent = ..., ..., ...
tg.teach.check("4.2", of_twice, of_shared, of_exponent)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
backward = tg.teach.exercise("4.2").solution()
display(backward)

Naive.backward = backward.function
for program in (twice, shared, exponent):
    print(f"{program.__name__:10} right {right[program.__name__]}, with += alone {program(Naive)}")
    assert program(Naive) != right[program.__name__]
tg.teach.check("4.2", twice(Naive), shared(Naive), exponent(Naive))

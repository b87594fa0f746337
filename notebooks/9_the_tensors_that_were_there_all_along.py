# %% [markdown]
# # The tensors that were there all along
#
# So far a network was made of numbers: a neuron is a sum of products, a layer is a list of neurons. Everybody else
# writes matrices, $H = \max(X W^\top + b,\ 0)$. Where do they come from? They are in our scalars already. The same
# operation is done again and again, on numbers that lie in a regular pattern, and that is all that a tensor is.
#
# `tg.record` finds the patterns. It runs a function of Values once, writes down its operations, tens of thousands of
# them, and rolls them up into a few statements on arrays. We look at three programs: a network, a convolution, and a
# small GPT, all of them written number by number.
#
# You need: Lesson 7, and to have seen a matrix product. For the last part it helps to have heard of attention.

# %%
import random
from itertools import pairwise
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Math, display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import plot_boundary, style_axes

plt.rcParams["figure.dpi"] = 72

# %% [markdown]
# ## A layer is a matrix product
#
# A network for the two moons, without a single array: two inputs, two layers of 16 neurons, one output. The loss goes
# through a list of samples.

# %%
X, targets = tg.data.moons(n=100, noise=0.1, seed=1337, labels=(-1, 1))
random.seed(1337)


def values(n, name):
    return [tg.Value(random.uniform(-1, 1), label=f"{name}[{i}]") for i in range(n)]


def matrix(rows, columns, name):
    return [values(columns, f"{name}[{i}]") for i in range(rows)]


W0, b0 = matrix(16, 2, "W0"), values(16, "b0")
W1, b1 = matrix(16, 16, "W1"), values(16, "b1")
w2 = values(16, "w2")
weights = [p for row in [*W0, b0, *W1, b1, w2] for p in row]


def score(x):
    h0 = [(sum(w * xi for w, xi in zip(row, x)) + b).relu() for row, b in zip(W0, b0)]
    h1 = [(sum(w * hi for w, hi in zip(row, h0)) + b).relu() for row, b in zip(W1, b1)]
    return sum(w * hi for w, hi in zip(w2, h1))


def loss():
    margins = [y * score(x) for x, y in zip(X, targets)]
    return sum((1 - m).relu() for m in margins) / len(margins) + 0.001 * sum(w * w for w in weights)


start = perf_counter()
L = loss()
L.backward()
by_values = perf_counter() - start
print(f"loss {L.data:.6f}, {len(weights)} weights")

# %% [markdown]
# The graph of this loss has about 66,000 nodes. Here is what they are, rolled up:

# %%
program = tg.record(loss)
print(program)

# %% [markdown]
# A hundred samples times sixteen neurons times two products have become *one* product of matrices. Nobody said that
# there are matrices: `W0` is one because its labels, `W0[3][1]`, say where each number stands; the samples are one
# because they are all treated alike.
#
# The same program as NumPy, this time with its gradients. It is close to what you would write by hand. (The text begins
# with the constants, here the samples, which we leave out.)


# %%
def numpy_of(program):
    text = program.source("numpy")
    return text[text.index(f"\ndef {program.name}") + 1 :]


program = tg.record(loss, gradients=True)
print(numpy_of(program))
assert numpy_of(program).count("\n") <= 30

# %% [markdown]
# Read the last lines. If $H = X W^\top$, and $G$ is the gradient in $H$, then the gradient in $W$ is $G^\top X$, and
# what goes on to the layer before is $G W$: the two rules of every course on deep learning. Here they are not rules. A
# weight gets the sum, over the samples, of gradient times input. That sum is a matrix product, and so it is written as
# one.
#
# The formulas:

# %%
Math(tg.record(loss).source("latex"))

# %% [markdown]
# `tg.compile` runs a function by its program. It puts the gradients where `backward()` puts them; so training is as
# ever, only faster.

# %%
fast = tg.compile(loss)
for w in weights:
    w.grad = 0.0
first = fast.backward()
assert abs(first - L.data) < 1e-12
start = perf_counter()
for _ in range(20):
    fast.backward()
by_arrays = (perf_counter() - start) / 20
print(
    f"on Values {1e3 * by_values:.0f} ms, compiled {1e3 * by_arrays:.2f} ms: {by_values / by_arrays:.0f} times as fast"
)
assert by_arrays < by_values / 50

# %%
for w in weights:
    w.velocity = w.grad = 0.0
losses = []
for _ in range(500):
    losses.append(fast.backward())
    for w in weights:
        w.velocity = 0.9 * w.velocity + w.grad
        w.data -= 0.05 * w.velocity
        w.grad = 0.0

fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
style_axes(axes[0], "step", "loss", f"loss {losses[-1]:.3g} after {len(losses)} steps")
axes[0].plot(losses, linewidth=1.8)
axes[0].set(yscale="log")
_ = plot_boundary(score, X, targets, axes[1], resolution=60)
assert losses[-1] < 0.1

# %% [markdown]
# ## A convolution is a window that slides
#
# A filter of five numbers goes along a line of numbers: $y_i = \tanh(\sum_j w_j x_{i+j} + b)$. What filter finds the
# places where the line jumps up? We do not say; it is to be learned from examples.

# %%
random.seed(3)
levels = [level for level in random.choices([0, 1], k=24) for _ in range(6)]
signal = [level + random.gauss(0, 0.25) for level in levels]
width = 5
jumps = [max(levels[i + 2] - levels[i + 1], 0) for i in range(len(signal) - width + 1)]

w, b = values(width, "w"), tg.Value(0.0, label="b")


def response(signal, i):
    return (sum(w[j] * signal[i + j] for j in range(width)) + b).sigmoid()


def loss_of_filter(signal):
    errors = [response(signal, i) - jump for i, jump in enumerate(jumps)]
    return sum(e * e for e in errors) / len(errors)


program = tg.record(loss_of_filter, signal, gradients=True)
print(numpy_of(program))

# %% [markdown]
# Each number of the signal is read five times, once by each window that it is in. In memory it stands once: a window is
# a *view*, and the next window begins one number further. Strides say so, and `sliding_window_view` is how NumPy writes
# it. With the view, a convolution is a matrix product like any other, and so are its gradients.

# %%
fast = tg.compile(loss_of_filter)
for v in (*w, b):
    v.m = v.v = v.grad = 0.0
for step in range(1, 501):
    last = fast.backward(signal)
    for v in (*w, b):  # Adam, written out
        v.m, v.v = 0.9 * v.m + 0.1 * v.grad, 0.99 * v.v + 0.01 * v.grad**2
        v.data -= 0.1 * (v.m / (1 - 0.9**step)) / ((v.v / (1 - 0.99**step)) ** 0.5 + 1e-8)
        v.grad = 0.0

fig, axes = plt.subplots(1, 2, figsize=(12, 3), layout="constrained", width_ratios=[3, 1])
style_axes(axes[0], "", "", "a signal, and where it jumps up")
style_axes(axes[1], "j", "w[j]", "what it has learned")
axes[0].plot(signal, color="grey", linewidth=0.8, label="the signal")
axes[0].plot(
    range(2, len(jumps) + 2), [response(signal, i).data for i in range(len(jumps))], label="the filter's answer"
)
axes[0].plot([i + 2 for i, jump in enumerate(jumps) if jump], [1.05] * sum(jumps), "v", label="jumps up")
axes[0].legend(loc="upper right", fontsize=8, ncols=3, frameon=False)
axes[0].set_ylim(-0.8, 2.0)
_ = axes[1].bar(range(width), [v.data for v in w])
assert last < 0.03

# %% [markdown]
# It has learned to subtract what comes before from what comes after: a difference, smoothed.
#
# ## Attention is a product with a mask
#
# Last, a GPT, in scalars: each token becomes a vector; each position asks those before it, with a *query*, which have
# a *key* that fits, and takes a mixture of their *values*; an MLP works on what comes out; and a linear map says which
# token comes next. The inner loop goes over the positions so far, so the lists are 1, 2, 3, … long. There is no batch,
# no mask, no axis of heads.

# %%
names = """
anna emma ella lena nina lisa sara mara clara laura maria marie julia sofia sophie luise elise elena helena selena
milena malena karin karen kira mira mila lila lola nora dora flora cora lara tara dana diana liana ariana oriana
adrian damian fabian florian julian lucian marian dorian ben ken sven jan jon john johan johann hans hannes jonas
lukas lucas luca marco mario darius marius julius martin kevin erwin edwin alvin calvin colin leon simon jason aron
""".split()
letters = ".abcdefghijklmnopqrstuvwxyz"  # a dot is where a name begins and ends
size, heads, longest = 16, 4, 9
random.seed(0)


def weight(rows, columns, name):
    return [[tg.Value(random.gauss(0, 0.1), label=f"{name}[{i}][{j}]") for j in range(columns)] for i in range(rows)]


wte, wpe, head = weight(len(letters), size, "wte"), weight(longest, size, "wpe"), weight(len(letters), size, "head")
wq, wk, wv, wo = [weight(size, size, name) for name in ("wq", "wk", "wv", "wo")]
fc1, fc2 = weight(4 * size, size, "fc1"), weight(size, 4 * size, "fc2")
parameters = [p for w in (wte, wpe, head, wq, wk, wv, wo, fc1, fc2) for row in w for p in row]


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(row, x)) for row in w]


def normed(x):
    scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def softmax(logits):
    largest = tg.maximum(*logits).detach()
    exps = [(logit - largest).exp() for logit in logits]
    total = sum(exps)
    return [e / total for e in exps]


def following(token, keys, values):
    """The probabilities of the next token; keys and values are those so far."""
    x = [a + b for a, b in zip(tg.take(wte, token), wpe[len(keys)])]
    z = normed(x)
    query = linear(z, wq)
    keys.append(linear(z, wk))
    values.append(linear(z, wv))
    mixed = []
    for h in range(0, size, size // heads):
        head_of = range(h, h + size // heads)
        shares = softmax([sum(query[j] * key[j] for j in head_of) / 2 for key in keys])
        mixed += [sum(share * value[j] for share, value in zip(shares, values)) for j in head_of]
    x = [a + b for a, b in zip(x, linear(mixed, wo))]
    x = [a + b for a, b in zip(x, linear([v.relu() for v in linear(normed(x), fc1)], fc2))]
    return softmax(linear(normed(x), head))


def surprise(tokens):
    keys, values = [], []
    terms = [-tg.take(following(a, keys, values), b).log() for a, b in pairwise(tokens)]
    return sum(terms) / len(terms)


def tokens_of(name):
    return [letters.index(letter) for letter in f".{name}."]


program = tg.record(surprise, tokens_of("martin"))
print(program)

# %% [markdown]
# All positions and all heads are in each statement. The lists of 1, 2, 3, … keys are the rows of a square matrix, one
# for each head, in which everything above the diagonal is left out: this is the *causal mask* of every GPT. It has not
# been put in to hide the future. It is there because the loop has not got there yet.
#
# `tg.take(table, i)` looks up a row, and the token stays an argument of the program: one program does for all names of
# six letters. For another length there is another program, made when the first name of that length comes.

# %%
print(numpy_of(program))

# %%
fast = tg.compile(surprise)
for p in parameters:
    p.m = p.v = p.grad = 0.0
losses = []
steps = 600
for step in range(1, steps + 1):
    losses.append(fast.backward(tokens_of(random.choice(names))))
    rate = 0.02 * (1 - (step - 1) / steps)
    for p in parameters:
        p.m, p.v = 0.9 * p.m + 0.1 * p.grad, 0.99 * p.v + 0.01 * p.grad**2
        p.data -= rate * (p.m / (1 - 0.9**step)) / ((p.v / (1 - 0.99**step)) ** 0.5 + 1e-8)
        p.grad = 0.0
print(f"loss {sum(losses[:20]) / 20:.2f} -> {sum(losses[-100:]) / 100:.2f}")
assert sum(losses[-100:]) / 100 < 1.8


def made_up():
    keys, values, name = [], [], "."
    with tg.no_grad():
        while len(name) < longest:
            shares = following(letters.index(name[-1]), keys, values)
            letter = random.choices(letters, [share.data for share in shares])[0]
            if letter == ".":
                break
            name += letter
    return name[1:]


print(*[made_up() for _ in range(20)])

# %% [markdown]
# Where does each letter look? The shares of the four heads for one name; each row is a position, and sums to 1.

# %%
shown = tokens_of("johanna")[:-1]
keys, values = [], []
shares = np.zeros((heads, len(shown), len(shown)))
for t, token in enumerate(shown):
    following(token, keys, values)
    x = normed([a + b for a, b in zip(wte[token], wpe[t])])
    query = linear(x, wq)
    for h in range(heads):
        head_of = range(h * size // heads, (h + 1) * size // heads)
        scores = [sum(query[j] * key[j] for j in head_of) / 2 for key in keys]
        shares[h, t, : t + 1] = [share.data for share in softmax(scores)]

fig, axes = plt.subplots(1, heads, figsize=(12, 3.2), layout="constrained")
for h, ax in enumerate(axes):
    style_axes(ax, "", "", f"head {h}")
    ax.imshow(shares[h], cmap="Blues", vmin=0, vmax=1)
    ax.grid(visible=False)
    ax.set(xticks=range(len(shown)), yticks=range(len(shown)))
    ax.set_xticklabels([letters[t] for t in shown])
    ax.set_yticklabels([letters[t] for t in shown])
assert np.allclose(shares.sum(axis=2), 1)

# %% [markdown]
# ## Where the package does it
#
# - `tinygrad_edu/compiler/trace.py` runs the function on Values without numbers, and writes down each operation.
# - `tinygrad_edu/compiler/roll.py` groups operations that can run together, and finds from where they read: an offset
#   and a stride for each axis. When the rows on the left meet all the rows on the right, it is a matrix product.
# - `tinygrad_edu/compiler/vjp.py` differentiates the arrays: each statement by the same table of rules that the engine
#   uses, each access by its transpose.
# - `tinygrad_edu/compiler/printers/` writes NumPy, JAX, Python, JavaScript and LaTeX.
# - `examples/microgpt.py` is a GPT like this one, trained on 1,600 names.

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** What becomes of a loop in which each turn needs the one before? Compute $x \leftarrow \tanh(a\,x + b)$ 1,000
# times, record it with gradients, and print its Python.


# %%
# Your code here
def iterated(a, b, x):
    return ...


tg.teach.check("9.1", iterated)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
iterated = tg.teach.exercise("9.1").solution()
display(iterated)

text = tg.record(iterated.function, 0.9, 0.1, 0.5, gradients=True).source("python")
print(text)
assert text.count("\n") < 30
assert text.count("for ") == 2
tg.teach.check("9.1", iterated)

# %% [markdown]
# **2.** Break a pattern: let the neuron `W1[3]` use `tanh` in place of `relu`. Write what the sixteen neurons make of
# their sums, and put it into the network. How many statements are there now? What is still one product?


# %%
# Your code here
def activations(sums):
    return ...


tg.teach.check("9.2", activations)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
activations = tg.teach.exercise("9.2").solution()
display(activations)


def mixed_score(x):
    h0 = [(sum(w * xi for w, xi in zip(row, x)) + b).relu() for row, b in zip(W0, b0)]
    h1 = activations([sum(w * hi for w, hi in zip(row, h0)) + b for row, b in zip(W1, b1)])
    return sum(w * hi for w, hi in zip(w2, h1))


def mixed_loss():
    return sum((1 - y * mixed_score(x)).relu() for x, y in zip(X, targets)) / len(X)


print(numpy_of(tg.record(mixed_loss)))
tg.teach.check("9.2", activations)

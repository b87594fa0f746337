# %% [markdown]
# # An MLP on real data
#
# A neuron draws a straight line, neurons in layers draw nearly any curve. We train a multi-layer perceptron (MLP) on
# two interleaved moons, where all can be seen, and then on handwritten digits, where 64 numbers go in and ten come out.
# On the way: learning rates, accuracy, and what overfitting looks like.
#
# You need: Lessons 1 to 3, and the classifier of Lesson 5.

# %%
from random import Random

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from sklearn.datasets import load_digits

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import parameters_at, plot_boundary, plot_confusion, plot_loss, style_axes

# %% [markdown]
# ## Two moons
#
# A hundred points of two kinds, labelled −1 and 1, that no straight line separates. A layer computes
# $h_j = \tanh(w_j \cdot x + b_j)$ for each of its neurons; the next layer takes these as its inputs. Here are two
# inputs, two layers of 8 and one output, whose sign is the answer.

# %%
X, y = tg.data.moons(n=100, noise=0.1, seed=0, labels=(-1, 1))
model = tg.nn.MLP(2, [8, 8, 1], activation="tanh", rng=Random(1))
print(len(model.parameters()), "parameters, such as", [p.label for p in model.parameters()[:3]])

# %% [markdown]
# The loss is the *hinge*, the mean of $\max(0,\ 1 - y\,\hat y)$ over the points, which is 0 for a point as soon as it
# is on the right side with some margin. All hundred points make one batch. The optimizer is SGD with *momentum*: it
# goes on in the direction of the last steps, and is quicker for it.

# %%
history = tg.train.fit(
    model,
    X,
    y,
    loss=tg.losses.hinge,
    optimizer=tg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    epochs=200,
    record_parameters=True,
    compile=True,
)
print(history)


def accuracy(model, X, y):
    with tg.no_grad():
        return tg.data.accuracy(y, [1 if model(x).data > 0 else -1 for x in X])


print(f"accuracy {accuracy(model, X, y):.0%}")
assert accuracy(model, X, y) == 1.0

# %% [markdown]
# How the boundary gets there:

# %%
fig, axes = plt.subplots(1, 4, figsize=(13, 3.3), layout="constrained")
for ax, epoch in zip(axes, (0, 10, 40, 200)):
    with parameters_at(model, history, epoch):
        plot_boundary(model, X, y, ax, resolution=80)
        ax.set_title(f"epoch {epoch}: {accuracy(model, X, y):.0%} right", fontsize="medium")

# %%
ax = plot_loss(history)

# %% [markdown]
# ## A sweep of learning rates
#
# The same network from the same start, without momentum, for learning rates from $10^{-3}$ to $10$, and the loss after
# 80 epochs, as the mean of the last ten. Most are too small, and slow. Around 2 is a range in which it works. Too
# large, and the loss does not settle, or blows up.

# %%
rates = [10 ** (k / 3) for k in range(-9, 4)]
final = []
for lr in rates:
    model = tg.nn.MLP(2, [8, 8, 1], activation="tanh", rng=Random(1))
    sgd = tg.optim.SGD(model.parameters(), lr=lr)
    try:
        run = tg.train.fit(model, X, y, loss=tg.losses.hinge, optimizer=sgd, epochs=80, compile=True)
        final.append(sum(run.loss[-10:]) / 10)
    except tg.train.DivergenceError:
        final.append(float("nan"))

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
best = min(range(len(rates)), key=lambda i: final[i] if final[i] == final[i] else float("inf"))
style_axes(ax, "learning rate", "loss after 80 epochs", "a sweep of learning rates", f"best: {rates[best]:.2g}")
ax.plot(rates, final, "o-", linewidth=1.8)
_ = ax.set(xscale="log", yscale="log")
print(f"best: {rates[best]:.2g}")
assert 0.1 < rates[best] < 5

# %% [markdown]
# ## Handwritten digits
#
# 1797 pictures of 8 × 8 pixels from scikit-learn. A sample is 64 grey values, from 0 to 16, which we scale to $[0, 1]$;
# its label is the digit.

# %%
digits = load_digits()
samples = (digits.data / 16).tolist()
labels = [int(label) for label in digits.target]
train_X, test_X, train_y, test_y = tg.data.split(samples, labels, test=0.25, seed=0, stratify=labels)

fig, axes = plt.subplots(2, 10, figsize=(9, 2.1))
for ax, sample, label in zip(axes.flat, train_X, train_y):
    ax.imshow(np.reshape(sample, (8, 8)), cmap="gray_r")
    ax.set_title(label, fontsize=8)
    ax.axis("off")

# %% [markdown]
# The network has ten outputs $z_0, \dots, z_9$, one for each digit. The *softmax* makes probabilities of them,
# $p_k = e^{z_k} / \sum_j e^{z_j}$, and the loss is the cross-entropy $-\log p_{\text{label}}$. For a net that knows
# nothing it is about $\log 10 \approx 2.3$.
#
# Scalar by scalar, one epoch would build over two million nodes, most of them grey values. `compile=True` records the
# loss of a sample once, and runs the program over whole batches with NumPy. A quarter of the pictures is not trained
# on, and serves for validation.

# %%
model = tg.nn.MLP(64, [24, 10], activation="relu", init="kaiming", rng=Random(0))
history = tg.train.fit(
    model,
    train_X,
    train_y,
    loss=tg.losses.cross_entropy,
    optimizer=tg.optim.Adam(model.parameters(), lr=0.01),
    batch_size=64,
    shuffle=True,
    epochs=25,
    validation=(test_X, test_y),
    compile=True,
)
print(len(model.parameters()), "parameters,", history)

# %%
outputs = tg.compile(model)  # the same model as a function of arrays: all pictures at once


def predictions(X):
    return np.argmax(outputs(list(np.array(X).T)), axis=0).tolist()


on_train = tg.data.accuracy(train_y, predictions(train_X))
on_test = tg.data.accuracy(test_y, predictions(test_X))
print(f"right: {on_train:.1%} of the training pictures, {on_test:.1%} of those it has never seen")
assert on_test > 0.94

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=[3, 2.6])
plot_loss(history, left, scale="log")
ax = plot_confusion(test_y, predictions(test_X), [str(k) for k in range(10)], right)

# %% [markdown]
# Most of what is wrong is what a person might mix up too. Some of the pictures that it got wrong, with what they are
# and what it took them for:

# %%
wrong = [(x, t, p) for x, t, p in zip(test_X, test_y, predictions(test_X)) if t != p][:10]
fig, axes = plt.subplots(1, 10, figsize=(9, 1.3))
for ax in axes:
    ax.axis("off")
for ax, (sample, label, predicted) in zip(axes, wrong):
    ax.imshow(np.reshape(sample, (8, 8)), cmap="gray_r")
    ax.set_title(f"{label}, not {predicted}", fontsize=8)

# %% [markdown]
# ## Overfitting
#
# The training loss goes to 0, the loss on unseen pictures stops falling early. With a hundred pictures to learn from,
# it even grows with time: the network learns them by heart, and becomes ever more certain of itself, also where it is
# wrong. (Whoever chooses by these unseen pictures, when to stop, say, needs others for the final word on how good the
# network is.)

# %%
small = tg.nn.MLP(64, [24, 10], activation="relu", init="kaiming", rng=Random(0))
overfit = tg.train.fit(
    small,
    train_X[:100],
    train_y[:100],
    loss=tg.losses.cross_entropy,
    optimizer=tg.optim.Adam(small.parameters(), lr=0.01),
    epochs=150,
    validation=(test_X, test_y),
    compile=True,
)
best = min(range(overfit.epochs), key=overfit.validation.__getitem__)
print(f"training {overfit.loss[-1]:.4f}, unseen {overfit.validation[-1]:.3f}")
print(f"best in epoch {best}: {overfit.validation[best]:.3f}")
assert overfit.loss[-1] < 0.01
assert overfit.validation[-1] > 1.05 * overfit.validation[best]

# %%
ax = plot_loss({"all 1348": history, "only 100": overfit}, scale="log")

# %% [markdown]
# ## Where the package does it
#
# - `MLP` in `tinygrad_edu/nn.py`; `cross_entropy` in `tinygrad_edu/losses.py`, by way of `logsumexp`, which does not
#   overflow.
# - What computes a batch: `ArrayTraining` in `tinygrad_edu/compiler/training.py`; the text of its program is made by
#   `tinygrad_edu/compiler/printers/numpy.py`, and run by `tinygrad_edu/compiler/backends/numpy.py`.
# - `Adam.update` in `tinygrad_edu/optim.py`.

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Stop the run on 100 pictures when it is best: write a callback for `fit` that returns True when the loss on
# unseen pictures has not got better for 20 epochs.


# %%
# Your code here
def patience(history):
    return ...


tg.teach.check("7.1", patience)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
patience = tg.teach.exercise("7.1").solution()
display(patience)

model = tg.nn.MLP(64, [24, 10], activation="relu", init="kaiming", rng=Random(0))
run = tg.train.fit(
    model,
    train_X[:100],
    train_y[:100],
    loss=tg.losses.cross_entropy,
    optimizer=tg.optim.Adam(model.parameters(), lr=0.01),
    epochs=150,
    validation=(test_X, test_y),
    callbacks=[patience],
    compile=True,
)
print(f"{run.epochs} epochs, on unseen pictures {run.validation[-1]:.3f}")
assert run.stopped == "callback"
tg.teach.check("7.1", patience)

# %% [markdown]
# **2.** Which of the three helps most against overfitting on 100 pictures: a `smaller` hidden layer of 8, or AdamW with
# `weight_decay=1.0` (`decayed`), or fewer epochs (`stopped` by the callback of 1)? The answers are the losses on unseen
# pictures at the end; everything else is as in the run above.

# %%
# Your code here
smaller, decayed, stopped = ..., ..., ...
tg.teach.check("7.2", smaller, decayed, stopped)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
unseen_loss = tg.teach.exercise("7.2").solution()
display(unseen_loss)

train, unseen = (train_X[:100], train_y[:100]), (test_X, test_y)
smaller = unseen_loss(train, unseen, hidden=8)
decayed = unseen_loss(train, unseen, optimizer=tg.optim.AdamW, weight_decay=1.0)
stopped = unseen_loss(train, unseen, callbacks=[patience])
for name, loss in {
    "as it was": overfit.validation[-1],
    "8 hidden neurons": smaller,
    "weight decay": decayed,
    "stopped": stopped,
}.items():
    print(f"{name:17} {loss:.3f}")
tg.teach.check("7.2", smaller, decayed, stopped)

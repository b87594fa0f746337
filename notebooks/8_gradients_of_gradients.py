# %% [markdown]
# # Gradients of gradients
#
# With `create_graph=True` a gradient is itself a graph, and can be differentiated again. That is more than a curiosity:
# it gives Newton's method, which needs a handful of steps where descent needs thousands; the Hessian of a loss, which
# says how large a learning rate may be; and the equations of motion of a physical system, from one line that says what
# its energy is.
#
# You need: Lesson 3. For the last part, to have heard of kinetic and potential energy.

# %%
from math import pi
from random import Random
from statistics import fmean, pstdev

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import COLOURS, plot_surface, style_axes

plt.rcParams["figure.dpi"] = 72  # many pictures, and a file that stays small

# %% [markdown]
# ## A derivative is a graph
#
# Here is $y = x^3$ at $x = 2$, its derivative $3x^2 = 12$, the derivative of that, $6x = 12$, and once more, 6. The
# picture is the graph of the *first derivative*: what the engine wrote down when it went backward. Going backward
# through this graph gives the second one, which is the `grad` of $x$.

# %%
x = tg.Value(2.0, label="x")
y = x**3
dy = tg.grad(y, x, create_graph=True)
dy.label = "dy/dx"
ddy = tg.grad(dy, x, create_graph=True)
print(y.data, dy.data, ddy.data, tg.grad(ddy, x))
assert [y.data, dy.data, ddy.data, tg.grad(ddy, x)] == [8, 12, 12, 6]
dy.backward()
tg.draw(dy)

# %% [markdown]
# `tg.derivative(f, n)` is the $n$-th derivative of a function, at a number or at a Value. The sine and four of its
# derivatives:

# %%
grid = [i / 20 for i in range(-63, 64)]
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
style_axes(ax, "x", "y", "the sine and its derivatives")
for n, style in zip(range(5), ("-", "--", "-.", ":", "--")):
    ax.plot(grid, [tg.derivative(tg.sin, n)(x) for x in grid], style, label=f"n = {n}", linewidth=5 - n)
ax.set(ylim=(-1.1, 1.7))
_ = ax.legend(title="n-th derivative of sin", ncols=5, loc="upper center", frameon=False)

# %% [markdown]
# ## Newton's method
#
# Gradient descent knows the slope only, so somebody has to say how far to go. Newton also asks for the curvature, and
# goes to the lowest point of the parabola with that slope and curvature:
#
# $$x \leftarrow x - \frac{f'(x)}{f''(x)} .$$
#
# For $f(x) = e^x - 2x$, with its minimum at $\log 2$, the number of right digits doubles in each step:


# %%
def f(x):
    return tg.exp(x) - 2 * x


first, second = tg.derivative(f), tg.derivative(f, 2)
x, path = 1.5, []
for step in range(7):
    path.append(x)
    print(f"step {step}: x = {x:.16f}, off by {abs(x - tg.log(2.0)):.1e}")
    x -= first(x) / second(x)
assert abs(x - tg.log(2.0)) < 1e-15

# %%
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
style_axes(ax, "x", "y", "each step goes to the lowest point of a parabola")
curve = np.linspace(0.2, 1.7, 200)
ax.plot(curve, np.exp(curve) - 2 * curve, color="black", label="f")
for at, colour in zip(path[:2], COLOURS):
    parabola = f(at) + first(at) * (curve - at) + 0.5 * second(at) * (curve - at) ** 2
    ax.plot(curve, parabola, "--", color=colour, label=f"the parabola at x = {at:.3f}")
    ax.plot(at, f(at), "o", color=colour)
ax.set(ylim=(0.3, 2.2))
_ = ax.legend(frameon=False)

# %% [markdown]
# In several dimensions the curvature is a matrix, the **Hessian** $H_{ij} = \partial^2 f / \partial x_i \partial x_j$,
# and a step solves $H\,s = \nabla f$. The classic test is Rosenbrock's valley, $f = (1 - x)^2 + 100\,(y - x^2)^2$:
# narrow, curved, and nearly flat along its floor. Descent needs tiny steps not to hit the walls.


# %%
def valley(x, y):
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


gradient, hessian = tg.value_and_grad(valley), tg.hessian(valley)

newton = [np.array([-1.2, 1.0])]
while gradient(*newton[-1])[0] > 1e-20:
    step = np.linalg.solve(hessian(*newton[-1]), gradient(*newton[-1])[1])
    newton.append(newton[-1] - step)

descent = [np.array([-1.2, 1.0])]
for _ in range(5000):
    descent.append(descent[-1] - 0.001 * np.array(gradient(*descent[-1])[1]))

print(f"Newton:  {len(newton) - 1} steps to {newton[-1]}")
print(f"descent: {len(descent) - 1} steps to {descent[-1]}")
assert len(newton) < 10
assert np.allclose(newton[-1], 1)

# %%
x, y = tg.Value(0.0, label="x"), tg.Value(0.0, label="y")
ax = plot_surface(tg.log1p(valley(x, y)), x, y, xlim=(-2.1, 2.1), ylim=(-3.4, 3.4), zlabel="log(1 + f)")
ax.plot(*zip(*descent), color=COLOURS[2], linewidth=3, label="descent, 5000 steps")
ax.plot(*zip(*newton), "o-", color=COLOURS[1], markersize=5, label=f"Newton, {len(newton) - 1} steps")
_ = ax.legend(loc="upper center")

# %% [markdown]
# Why is not everything trained with it? The Hessian of a model with $p$ parameters has $p^2$ entries, and solving costs
# $p^3$; and where a curvature is negative, Newton's step may go *up*, to a maximum or a saddle.
#
# ## The Hessian of a loss
#
# Near a minimum the loss is a bowl. The eigenvalues of its Hessian are the curvatures along its axes: the largest one
# says how large a learning rate may be ($\eta < 2/\lambda_{\max}$), the ratio of the largest to the smallest how long
# it takes. Here for a line through points that are far from 0, which is a bad idea:


# %%
def loss_over(xs, ys):
    return lambda w, b: sum((w * x + b - y) ** 2 for x, y in zip(xs, ys)) / len(xs)


xs = [i / 10 for i in range(20, 40)]
ys = [2 * x + 1 for x in xs]
scaled = [(x - fmean(xs)) / pstdev(xs) for x in xs]
loss = {"as it is": loss_over(xs, ys), "moved, scaled": loss_over(scaled, ys)}
print(f"{'':14}{'λ smallest':>12}{'λ largest':>12}{'ratio':>9}{'largest η':>12}")
for name, function in loss.items():
    small, large = np.linalg.eigvalsh(tg.hessian(function)(0.0, 0.0))
    print(f"{name:14}{small:12.4f}{large:12.4f}{large / small:9.0f}{2 / large:12.3f}")

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for ax, (name, function) in zip(axes, loss.items()):
    w, b = tg.Value(0.0, label="w"), tg.Value(0.0, label="b")
    lr = 1.2 / np.linalg.eigvalsh(tg.hessian(function)(0.0, 0.0))[-1]
    walk = [(4.0, 9.0)]
    for _ in range(50):
        dw, db = tg.value_and_grad(function)(*walk[-1])[1]
        walk.append((walk[-1][0] - lr * dw, walk[-1][1] - lr * db))
    plot_surface(function(w, b), w, b, ax, path=tuple(zip(*walk)), xlim=(-2, 8), ylim=(0, 10))
    ax.set_aspect("equal")
    ax.set_title(f"{name}: 50 steps with 0.6 of the largest η", fontsize="medium")

# %% [markdown]
# On the left the walk is soon on the floor of the valley, and then takes for ever to its lowest point, $(2, 1)$. On the
# right are the same data, with $x$ moved to a mean of 0 and scaled to a standard deviation of 1 (that is what
# `tinygrad-edu fit` does with every column of numbers first): the long valley has become a round bowl, and a few steps
# do.
#
# And the Hessian of a network's loss? All of it is a table of $p \times p$. Here $p = 25$, before and after training;
# dark squares are pairs of parameters that influence each other's slope.

# %%
X, targets = tg.data.moons(n=40, noise=0.1, seed=0, labels=(-1, 1))
network = tg.nn.MLP(2, [6, 1], activation="tanh", rng=Random(1))
parameters = network.parameters()


def network_loss():
    return tg.losses.mse([network(x) for x in X], targets)


def hessian_now():
    slopes = tg.grad(network_loss(), parameters, create_graph=True)
    return np.array([tg.grad(slope, parameters) for slope in slopes])


before = hessian_now()
history = tg.train.fit(network, X, targets, optimizer=tg.optim.Adam(parameters, lr=0.03), epochs=300, compile=True)
after = hessian_now()
fig, axes = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained", width_ratios=[1, 1, 1.2])
for ax, matrix, name in zip(axes, (before, after), ("before training", f"after, loss {history.loss[-1]:.3f}")):
    style_axes(ax, "parameter", "parameter", name)
    ax.imshow(np.log1p(100 * np.abs(matrix)), cmap="Blues")
    ax.grid(visible=False)
style_axes(axes[2], "", "eigenvalue", "the eigenvalues, sorted")
for matrix, name, marker in ((before, "before", "o"), (after, "after", "s")):
    axes[2].plot(np.linalg.eigvalsh(matrix), marker, markersize=4, label=name)
axes[2].axhline(0, color="grey", linewidth=0.8)
axes[2].set(yscale="symlog", ylim=(-5, 30))
_ = axes[2].legend(frameon=False)
assert np.allclose(after, after.T, atol=1e-9)
for matrix, name in ((before, "before"), (after, "after")):
    print(f"smallest eigenvalue {name}: {np.linalg.eigvalsh(matrix)[0]:.4f}")

# %% [markdown]
# Before training some curvatures are negative: in these directions it is no bowl, but falls to both sides. Afterwards
# all are positive, or near 0: flat directions, in which many networks do the same.
#
# The largest eigenvalue can be had without the matrix. The Hessian *times a vector* is a gradient of gradient · vector,
# and costs a few times as much as a gradient. Multiplied again and again, nearly every vector turns into the direction
# of the eigenvalue that is largest in size (*power iteration*):

# %%
rng = Random(0)
v = np.array([rng.gauss(0, 1) for _ in parameters])
slopes = tg.grad(network_loss(), parameters, create_graph=True)
for _ in range(60):
    Hv = np.array(tg.grad(tg.dot(slopes, v.tolist()), parameters))  # for a function of numbers: tg.hvp
    λ, v = float(v @ Hv / (v @ v)), Hv / np.linalg.norm(Hv)
print(f"power iteration {λ:.6f}, all eigenvalues {np.linalg.eigvalsh(after)[-1]:.6f}")
assert abs(λ - np.linalg.eigvalsh(after)[-1]) < 1e-3 * λ

# %% [markdown]
# ## A pendulum from its energy
#
# Mechanics according to Lagrange: write down the *Lagrangian*, kinetic minus potential energy, in any coordinate
# $\theta$ and its velocity $\omega = \dot\theta$. The motion then obeys
#
# $$\frac{d}{dt}\,\frac{\partial L}{\partial \omega} = \frac{\partial L}{\partial \theta}.$$
#
# With the chain rule on the left,
#
# $$\frac{\partial^2 L}{\partial \omega^2}\,\dot\omega
#   + \frac{\partial^2 L}{\partial \omega\,\partial \theta}\,\omega = \frac{\partial L}{\partial \theta},$$
#
# which can be solved for the acceleration $\dot\omega$. So there is nothing left to derive by hand. A mass $m$ on a rod
# of length $\ell$, at the angle $\theta$ from hanging down:
#
# $$L = \tfrac12 m \ell^2 \omega^2 + m g \ell \cos\theta .$$

# %%
m, l, g = 1.0, 1.0, 9.81


def lagrangian(θ, ω):
    return 0.5 * m * l**2 * ω**2 + m * g * l * tg.cos(θ)


def acceleration(θ, ω):
    L = lagrangian(θ, ω)
    dL_dθ, dL_dω = tg.grad(L, [θ, ω], create_graph=True)
    d2L_dωdθ, d2L_dω2 = tg.grad(dL_dω, [θ, ω], create_graph=True)
    return (dL_dθ - d2L_dωdθ * ω) / d2L_dω2


θ, ω = tg.Value(0.7, label="θ"), tg.Value(0.3, label="ω")
print(acceleration(θ, ω).data, "and by the textbook's −g/ℓ·sin θ:", -g / l * tg.sin(0.7))
assert abs(acceleration(θ, ω).data + g / l * tg.sin(0.7)) < 1e-12

# %% [markdown]
# `record` shows what is left of it when constants are computed once and for all, and `compile` makes a function of it.
# (`ω * 0.0` stays, as it is not 0 for every float: it is nan for an infinite ω. The factors of 1 stay, too: a program
# computes what its function has computed.)

# %%
print(tg.record(acceleration, 0.7, 0.3).source("python"))

# %% [markdown]
# To follow the motion, go forward in small steps of time (with the classic method of Runge and Kutta). From small
# angles the pendulum swings like a sine; from nearly upright it stays there a while, falls, and comes to rest again on
# the other side; with enough speed it goes round and round. On the right, $\omega$ against $\theta$: a swing is a
# closed curve, going round is a wave.


# %%
def runge_kutta(change, state, dt, steps):
    states = [np.array(state)]
    for _ in range(steps):
        s = states[-1]
        k1 = change(s)
        k2 = change(s + dt / 2 * k1)
        k3 = change(s + dt / 2 * k2)
        k4 = change(s + dt * k3)
        states.append(s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return np.array(states)


α = tg.compile(acceleration)


def change(state):
    return np.array([state[1], α(*state.tolist())])


fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
style_axes(left, "time (s)", "θ / π", "four swings")
style_axes(right, "θ / π", "ω (1/s)", "the same, velocity against angle")
time = np.arange(401) * 0.01
for start, style in (([0.5, 0.0], "-"), ([1.5, 0.0], "--"), ([3.1, 0.0], "-."), ([0.0, 6.8], ":")):
    swing = runge_kutta(change, start, 0.01, 400)
    left.plot(time, swing[:, 0] / pi, style, label=f"θ = {start[0]}, ω = {start[1]}")
    right.plot(swing[:, 0] / pi, swing[:, 1], style)
    energy = 0.5 * m * l**2 * swing[:, 1] ** 2 - m * g * l * np.cos(swing[:, 0])
    assert np.ptp(energy) < 1e-5  # it is conserved
_ = left.legend(fontsize="small", frameon=False)

# %% [markdown]
# ### And a double pendulum
#
# A second rod hangs on the first one's end. Its equations of motion fill half a page, and few people have derived them
# without a mistake. Its Lagrangian is two lines. With two angles, $\partial^2 L / \partial \omega^2$ is a matrix $M$ of
# $2 \times 2$, and $M \dot\omega$ is what is known:


# %%
def double_lagrangian(θ1, θ2, ω1, ω2):  # both masses and lengths are 1
    kinetic = ω1**2 + 0.5 * ω2**2 + ω1 * ω2 * tg.cos(θ1 - θ2)
    return kinetic + g * (2 * tg.cos(θ1) + tg.cos(θ2))


@tg.compile
def accelerations(θ1, θ2, ω1, ω2):
    θ, ω = [θ1, θ2], [ω1, ω2]
    L = double_lagrangian(*θ, *ω)
    dL_dω = tg.grad(L, ω, create_graph=True)
    (m11, m12), (_, m22) = [tg.grad(d, ω, create_graph=True) for d in dL_dω]
    known = [
        dL_dθi - tg.dot(tg.grad(d, θ, create_graph=True), ω)
        for dL_dθi, d in zip(tg.grad(L, θ, create_graph=True), dL_dω)
    ]
    determinant = m11 * m22 - m12 * m12
    return [(m22 * known[0] - m12 * known[1]) / determinant, (m11 * known[1] - m12 * known[0]) / determinant]


def double_change(state):
    return np.array([*state[2:], *accelerations(*state.tolist())])


fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
style_axes(left, "x", "y", "the path of the second mass")
style_axes(right, "time (s)", "θ₂ / π", "from nearly the same start")
for nudge, colour in zip((0.0, 1e-4), COLOURS):
    motion = runge_kutta(double_change, [2.0 + nudge, 2.5, 0.0, 0.0], 0.005, 2400)
    θ1, θ2, ω1, ω2 = motion.T
    energy = ω1**2 + ω2**2 / 2 + ω1 * ω2 * np.cos(θ1 - θ2) - g * (2 * np.cos(θ1) + np.cos(θ2))
    assert np.ptp(energy) < 1e-2
    x, y = np.sin(θ1) + np.sin(θ2), -np.cos(θ1) - np.cos(θ2)
    if not nudge:
        left.plot(x, y, color=colour, linewidth=0.7)
    right.plot(np.arange(len(θ2)) * 0.005, θ2 / pi, color=colour, label=f"θ₁ = {2 + nudge} at first")
left.set(aspect="equal")
_ = right.legend(frameon=False)

# %% [markdown]
# The energy stays what it was, to the accuracy of the steps, which it would hardly do with wrong equations. And two
# motions that start a ten-thousandth apart have nothing in common after six seconds: chaos, from two lines.
#
# ## Where the package does it
#
# - `sweep` in `tinygrad_edu/gradients.py`: the backward pass on any kind of number. With `RECORDING` the numbers are
#   Values, so what it computes is a graph.
# - `derivative`, `hessian` and `hvp` below it, a few lines each.
# - Why that works: the rules in `tinygrad_edu/ops.py` use arithmetic and the functions of `m` only. `relu` has
#   `m.step(x)` for its slope, not an `if`.

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Halley's method uses the third derivative too: for a zero of $h$, $x \leftarrow x - \frac{2 h h'}{2 h'^2 - h
# h''}$. Write one step of it. Find the minimum of $f$ above with $h = f'$, and count the right digits.


# %%
# Your code here
def halley_step(x, h, dh, ddh):
    return ...


tg.teach.check("8.1", halley_step)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
halley_step = tg.teach.exercise("8.1").solution()
display(halley_step)

h0, h1, h2 = [tg.derivative(f, n) for n in (1, 2, 3)]
x = 1.5
for step in range(5):
    print(f"step {step}: off by {abs(x - tg.log(2.0)):.1e}")
    x = halley_step(x, h0(x), h1(x), h2(x))
assert abs(x - tg.log(2.0)) < 1e-15
tg.teach.check("8.1", halley_step)

# %% [markdown]
# **2.** Let the pendulum hang on a spring: coordinates $r, \theta$, and $L = \tfrac12 m(\dot r^2 + r^2 \dot\theta^2) +
# m g r \cos\theta - \tfrac12 k (r - \ell)^2$ with $k = 40$. Write its accelerations $[\ddot r, \ddot\theta]$, and check
# that its energy is conserved for 5 seconds.


# %%
# Your code here
def spring_accelerations(r, θ, vr, ω):
    return ..., ...


tg.teach.check("8.2", spring_accelerations)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
spring_accelerations = tg.teach.exercise("8.2").solution()
display(spring_accelerations)

compiled, k = tg.compile(spring_accelerations.function), 40.0


def spring_change(state):
    return np.array([*state[2:], *compiled(*state.tolist())])


motion = runge_kutta(spring_change, [1.3, 1.0, 0.0, 0.0], 0.005, 1000)
r, θ, vr, ω = motion.T
energy = 0.5 * m * (vr**2 + r**2 * ω**2) - m * g * r * np.cos(θ) + 0.5 * k * (r - l) ** 2
print(f"energy between {energy.min():.8f} and {energy.max():.8f}")
assert np.ptp(energy) < 1e-5
tg.teach.check("8.2", spring_accelerations)

# %% [markdown]
# # Lesson 3: minimising, and fitting a curve
#
# First the bare thing: find the lowest point of $y = x^2$ by going downhill, and see what the learning rate does. Then
# fit a parabola to data, one sample at a time. Then the question of how many samples to look at before each step.
#
# You need: the derivative of $x^2$.

# %% [markdown] lang="zh"
# # 第 {1} 课：求最小值与拟合曲线
#
# 先看最基本的情形：一路下坡，找到 {1} 的最低点，看看学习率起什么作用。然后用抛物线拟合数据，一次看一个样本。
# 最后的问题是：每走一步之前，要看多少个样本？
#
# 预备知识：{1} 的导数。

# %%
from random import Random

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import COLOURS, parameters_at, plot_derivative, plot_fit, plot_loss, style_axes

# %% [markdown]
# ## (a) Downhill on a parabola
#
# $y = x^2$ has the derivative $2x$. Where the derivative is positive, $y$ grows to the right, so downhill is to the
# *left*; where it is negative, downhill is to the *right*. Both cases are in one formula, as the sign of the derivative
# does the choosing:
#
# $$x \leftarrow x - \eta\,\frac{dy}{dx}.$$

# %% [markdown] lang="zh"
# ## （a）沿抛物线下坡
#
# {1} 的导数是 {2}。导数为正的地方，越往右 {3} 越大，所以下坡在**左**边；导数为负的地方，下坡在**右**边。
# 两种情况可以写成同一个公式，因为导数的正负号会替我们选好方向：

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for ax, at in zip(axes, (-1.0, 1.0)):
    plot_derivative(lambda x: x**2, ax, at=at, interval=(-2, 2), name="y")

# %%


def descend(x, lr, steps):
    """The path of x, from its start on."""
    x = tg.Value(x, label="x")
    sgd = tg.optim.SGD([x], lr)
    path = [x.data]
    for _ in range(steps):
        y = x**2
        sgd.zero_grad()
        y.backward()
        sgd.step()  # x ← x − lr·dy/dx
        path.append(x.data)
    return path


for start in (-1.0, 1.0):
    path = descend(start, lr=0.2, steps=8)
    print("from", start, "→", "  ".join(f"{x:+.4f}" for x in path))
    assert abs(descend(start, lr=0.2, steps=100)[-1]) < 1e-9

# %% [markdown]
# From either side $x$ comes to 0, and the steps get smaller by themselves, as the derivative does.
#
# ### What the learning rate does
#
# Here the step can be computed: $x - \eta\cdot 2x = (1 - 2\eta)\,x$. Each step multiplies $x$ by $1 - 2\eta$. So:
#
# | $\eta$ | factor | what happens |
# | --- | --- | --- |
# | 0.01 | 0.98 | it crawls |
# | 0.2 | 0.6 | it is there soon |
# | 0.5 | 0 | one step: a parabola's luck |
# | 0.9 | −0.8 | from side to side, and there in the end |
# | 1.0 | −1 | from side to side for ever |
# | 1.1 | −1.2 | further out with each step: it *diverges* |

# %% [markdown] lang="zh"
# 无论从哪一边出发，{1} 都会走到 {2}；导数越来越小，步子也就自己变小。
#
# ### 学习率的作用
#
# 这里的每一步都能直接算出来：{1}。每走一步，{2} 就乘以 {3}。所以：
#
# | {1} | 因子 | 结果 |
# | --- | --- | --- |
# | {2} | {3} | 慢慢爬 |
# | {4} | {5} | 很快就到 |
# | {6} | {7} | 一步到位：抛物线才有的好运气 |
# | {8} | −{9} | 左右来回跳，最后也能到 |
# | {10} | −{11} | 永远左右来回跳 |
# | {12} | −{13} | 一步比一步远：**发散** |

# %%
fig, axes = plt.subplots(2, 3, figsize=(10, 6), layout="constrained", sharex=True, sharey=True)
curve = np.linspace(-2.6, 2.6, 200)
for ax, lr in zip(axes.flat, (0.01, 0.2, 0.5, 0.9, 1.0, 1.1)):
    steps = 5 if lr > 1 else 12
    path = np.array(descend(1.0, lr, steps))
    style_axes(ax, "x", "y", f"η = {lr}", f"x = {path[-1]:.3g} after {steps} steps")
    ax.plot(curve, curve**2, linewidth=2.2)
    ax.plot(path, path**2, "o-", markersize=5, linewidth=1.2)
    ax.set_ylim(-0.3, 6.8)
    ax.label_outer()

# %%
assert descend(1.0, lr=1.0, steps=6) == [1, -1, 1, -1, 1, -1, 1]
assert abs(descend(1.0, lr=0.01, steps=100)[-1] - 0.98**100) < 1e-12  # after 100 steps still 0.13

# %% [markdown]
# When training diverges, `fit` says so and what to do. Here the model is $x^2$ itself, whatever the sample:

# %% [markdown] lang="zh"
# 训练发散时，{1} 会报告出来，并告诉你该怎么办。这里的模型就是 {2} 本身，不管样本是什么：

# %%


class Parabola(tg.nn.Module):
    def __init__(self, x):
        self.x = tg.Value(x)

    def __call__(self, sample):
        return self.x**2


model = Parabola(1.0)
try:
    tg.train.fit(
        model,
        [0],
        [0],
        loss=lambda predictions, targets: predictions[0],
        optimizer=tg.optim.SGD(model.parameters(), lr=1.1),
        epochs=1000,
    )
except tg.train.DivergenceError as error:
    diverged = str(error)
    print(diverged)
assert "Lower the learning rate" in diverged

# %% [markdown]
# ## (b) Fitting a curve, one sample at a time
#
# The data are $y = 2x^2 + 3x + 4$ at $x = 0, 0.01, \dots, 0.99$. The model is $\hat y = w_1 x^2 + w_2 x + w_3$: a curve
# in $x$, but *linear* in its parameters, so it is a neuron with two inputs, $x^2$ and $x$, and the bias $w_3$. We start
# at $(1, 0, -1)$.
#
# Each sample in turn gives a squared error, a gradient, and an update with $\eta = 0.1$. A hundred of these are an
# *epoch*, and its mean loss is the mean of what each sample had when its turn came. We stop when that is under
# $10^{-4}$.

# %% [markdown] lang="zh"
# ## （b）拟合曲线：一次一个样本
#
# 数据是 {1} 在 {2} 处的值。模型是 {3}：对 {4} 来说这是一条曲线，对参数来说却是**线性**的，所以模型就是一个神经元，
# 两个输入是 {5} 和 {6}，偏置是 {7}。参数从 {8} 出发。
#
# 每个样本依次给出一个平方误差和一个梯度，再以 {1} 更新一次参数。一百次这样的更新是一**轮**（epoch）；
# 一轮的平均损失，就是各个样本轮到自己时的损失的均值。平均损失低于 {2} 时停止。

# %%
x = [i / 100 for i in range(100)]
y = [2 * xi**2 + 3 * xi + 4 for xi in x]
X = [[xi * xi, xi] for xi in x]

model = tg.nn.Neuron(2, nonlin=False)
model.load_state_dict({"w[0]": 1.0, "w[1]": 0.0, "b": -1.0})
history = tg.train.fit(
    model,
    X,
    y,
    loss=tg.losses.mse,
    optimizer=tg.optim.SGD(model.parameters(), lr=0.1),
    batch_size=1,
    target_loss=1e-4,
    record_parameters=True,
)
w1, w2, w3 = [p.data for p in model.parameters()]
for epoch in (0, 1, 2, len(history.loss) - 1):
    print(f"epoch {epoch:2}: mean loss {history.loss[epoch]:.10f}")
print(f"w = ({w1:.6f}, {w2:.6f}, {w3:.6f})")

assert abs(history.loss[0] - 0.7408869558) < 5e-11
assert abs(history.loss[1] - 0.1301736562) < 5e-11
assert history.epochs - 1 == 49
assert max(abs(w1 - 2.188697), abs(w2 - 2.753475), abs(w3 - 4.060021)) < 5e-7

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
plot_fit(x, y, [model(sample).data for sample in X], left)
ax = plot_loss(history, right, scale="log")

# %% [markdown]
# The curve lies on the data, though $w$ is not $(2, 3, 4)$ yet: on this short piece of $x$, a little more $x^2$ and a
# little less $x$ look almost the same. The loss hardly tells them apart, its gradient in that direction is small, and
# descent is slow there.
#
# ## (c) All samples, one, or some
#
# An update may use the gradient over **all** samples (*batch*), over **one** (*stochastic*), or over **some**
# (*mini-batch*). The gradient is summed over the batch in each case, so that an epoch moves the parameters about as far
# in each. One sample is an unreliable witness of where downhill is, but there are many updates; all samples are the
# best witness, but for one look at all of them there is one step only.

# %% [markdown] lang="zh"
# 曲线已经落在数据上，{1} 却还不是 {2}：{3} 的范围很短，在这一小段上，{4} 稍多一点、{5} 稍少一点，
# 曲线看上去几乎一样。损失几乎分不出这些曲线，沿这个方向的梯度很小，下降也就很慢。
#
# ## （c）全部样本、一个，还是一部分
#
# 一次更新所用的梯度，可以来自**全部**样本（**批量**，batch），来自**一个**样本（**随机**，stochastic），
# 或者来自**一部分**样本（**小批量**，mini-batch）。三种做法都把一批里各个样本的梯度相加，这样一轮下来，
# 参数移动的距离都差不多。要问哪边是下坡，一个样本是不可靠的证人，但更新的次数多；全部样本是最好的证人，
# 可是全部看一遍，只能走一步。

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained", sharey=True)
for ax, cost in zip(axes, ("update (from 1 on, logarithmic)", "epoch", "time (s)")):
    style_axes(ax, cost, "mean squared error", f"three ways to descend, by {cost.split(' (')[0]}")
    ax.label_outer()
batch_sizes = {"batch: all 100": 100, "mini-batch: 10": 10, "stochastic: 1": 1}
for (name, batch_size), colour, marker in zip(batch_sizes.items(), COLOURS, "osD"):
    model.load_state_dict({"w[0]": 1.0, "w[1]": 0.0, "b": -1.0})
    run = tg.train.fit(
        model,
        X,
        y,
        loss=tg.losses.sse,  # its gradient is the sum over the batch
        optimizer=tg.optim.SGD(model.parameters(), lr=0.005),
        batch_size=batch_size,
        shuffle=True,
        epochs=60,
        record_parameters=True,
    )
    loss = []
    for epoch in range(61):  # where each epoch begins, and at the end: the loss of all samples, which can be compared
        with parameters_at(model, run, epoch):
            loss.append(tg.train.evaluate(model, X, y))
    updates = [epoch * len(X) // batch_size for epoch in range(61)]
    for ax, cost in zip(axes, (updates, range(61), [0.0, *run.seconds])):
        ax.plot(cost, loss, marker=marker, markersize=3, linewidth=1.8, color=colour, label=name)
    print(f"{name:15} {run.updates:5} updates, mean squared error {loss[-1]:.6f}")
    assert loss[-1] < 0.002
axes[0].set(yscale="log", xscale="symlog", xlim=(0, None))
_ = axes[2].legend(frameon=False)

# %% [markdown]
# The same three runs, against what they cost; a mark is an epoch. Per *update* the whole batch gets furthest: it has
# looked at a hundred samples for each. Per *epoch*, that is per look at the data, the three are nearly one: a hundred
# small steps, or one that is about their sum. In *time* they differ by what an update costs besides its gradient. So on
# a hundred samples the batch does well. Real data sets have millions of samples, which say much the same: a mini-batch
# hears enough of them, and has made thousands of steps before the whole batch has made its first.

# %% [markdown] lang="zh"
# 同样的三次训练，横轴分别是三种代价；一个标记表示一轮。按**更新次数**看，批量走得最远：每次更新都看过了一百个样本。
# 按**轮数**看，也就是按看过几遍数据来看，三者几乎重合：要么是一百小步，要么是一大步，大约等于这些小步之和。
# 按**时间**看，三者的差别在于，一次更新除了求梯度之外还要花多少时间。所以样本只有一百个时，用批量就很好。
# 真实的数据集有几百万个样本，说的话大同小异：小批量听上一部分就够了，批量还没走出第一步，小批量已经走了几千步。

# %% [markdown]
# ## Why not solve $\nabla L = 0$?
#
# For this model the loss is a quadratic function of $w$, its gradient is linear, and $\nabla L = 0$ is a system of
# three linear equations, the *normal equations* $A^\top A\, w = A^\top y$, where a row of $A$ is $(x^2, x, 1)$:

# %% [markdown] lang="zh"
# ## 为什么不直接解 {1}？
#
# 这个模型的损失是 {1} 的二次函数，梯度是线性的，{2} 就是由三个线性方程组成的方程组，即**正规方程** {3}，
# 其中 {4} 的每一行都是 {5}：

# %%
A = np.array([[xi * xi, xi, 1.0] for xi in x])
exact = np.linalg.solve(A.T @ A, A.T @ np.array(y))
print("exact: ", exact)
print("descent:", np.array([w1, w2, w3]))
assert np.allclose(exact, [2, 3, 4])

# %% [markdown]
# One line, no learning rate, and the exact answer. It stops being possible as soon as the model is not linear in its
# parameters. Put one tanh around it, $\hat y = w_2 \tanh(w_1 x + b_1) + b_2$, and $\nabla L = 0$ becomes a system of
# equations with no formula for its solution, and often with more than one. And where a formula exists, it may cost too
# much: for $p$ parameters it is some $p^3$ operations, which for a million parameters is out of reach, while one step
# of descent costs a few times as much as computing the loss. Descent does not even notice: here it fits six such tanh
# at once to a sine.

# %% [markdown] lang="zh"
# 一行代码，不用学习率，得到的还是精确解。可是模型对参数一旦不是线性的，这就行不通了。只要套上一个 tanh，
# 写成 {1}，{2} 就成了一个没有求解公式的方程组，解还常常不止一个。即使有公式，
# 代价也可能太大：{3} 个参数大约要做 {4} 次运算，参数有一百万个时根本算不动，而下降一步的代价，
# 只是算一次损失的几倍。梯度下降甚至感觉不到有什么不同：这里它让六个这样的 tanh 一起去拟合一条正弦曲线。

# %%
curve_x = [xi * 6 - 3 for xi in x]
curve_y = [np.sin(xi) for xi in curve_x]
net = tg.nn.MLP(1, [6, 1], activation="tanh", rng=Random(3))
run = tg.train.fit(
    net,
    [[xi] for xi in curve_x],
    curve_y,
    optimizer=tg.optim.Adam(net.parameters(), lr=0.03),
    epochs=400,
    compile=True,
)
print(run)
ax = plot_fit(curve_x, curve_y, [net([xi]).data for xi in curve_x])
assert run.loss[-1] < 1e-2

# %% [markdown]
# ## Where the package does it
#
# - `SGD.update` in `tinygrad_edu/optim.py`: without momentum, the one line $\theta - \eta g$.
# - `batches` in `tinygrad_edu/data/splits.py`; the loop over them in `fit` (`tinygrad_edu/train/fit.py`), where
#   `_refuse_growth` says that it diverged.
# - `power` in `tinygrad_edu/ops.py`: the derivative $n x^{n-1}$.

# %% [markdown] lang="zh"
# ## 包里的实现
#
# - {1}，在 {2} 里：没有动量时，就是一行 {3}。
# - {4}，在 {5} 里；遍历各批的循环在 {6}（{7}）里，其中的 {8} 负责报告训练发散。
# - {9}，在 {10} 里：导数 {11}。

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Minimise $y = x^4 - 3x^2 + x$ from $x = -2$ and from $x = 2$, with the learning rate 0.02. At which $x$ does
# each end? Why do you not get the same answer?

# %% [markdown] lang="zh"
# ## 练习
#
# 把省略号换成你的代码。{1} 会告诉你答案对不对；在后面加上 {2} 会给出一个提示，每次再多给一个。
# 参考答案在每道练习下面折叠起来的单元格里。
#
# **{1}.** 用学习率 {5} 最小化 {2}，分别从 {3} 和 {4} 出发。两次各停在哪个 {6} 处？为什么得到的答案不同？

# %%
# Your code here
x_left, x_right = ..., ...
tg.teach.check("3.1", x_left, x_right)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
descend_in_valley = tg.teach.exercise("3.1").solution()
display(descend_in_valley)

for start in (-2.0, 2.0):
    print(f"from {start:+}: x = %.4f, y = %.4f" % descend_in_valley(start))
(x_left, y_left), (x_right, y_right) = descend_in_valley(-2.0), descend_in_valley(2.0)
assert y_left < y_right
tg.teach.check("3.1", x_left, x_right)

# %% [markdown]
# **2.** In (b), let the epochs go on until $w$ is $(2, 3, 4)$ to two decimals: each within 0.005. How many are needed,
# `in_order`, and how many with `shuffle=True`? Does it help, and why?

# %% [markdown] lang="zh"
# **{1}.** 在（b）里一轮一轮训练下去，直到 {2} 在两位小数的精度内等于 {3}，即每个参数的误差都在 {4} 以内。
# 按顺序取样本需要多少轮（{5}），用 {6} 打乱顺序又需要多少轮？打乱有没有帮助，为什么？

# %%
# Your code here
in_order, shuffled = ..., ...
tg.teach.check("3.2", in_order, shuffled)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
epochs_until_close = tg.teach.exercise("3.2").solution()
display(epochs_until_close)

in_order, shuffled = epochs_until_close(X, y, shuffle=False), epochs_until_close(X, y, shuffle=True)
print(f"in order: {in_order} epochs, shuffled: {shuffled} epochs")
tg.teach.check("3.2", in_order, shuffled)

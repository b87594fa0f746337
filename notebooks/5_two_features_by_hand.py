# %% [markdown]
# # Lesson 5: two features, by hand
#
# A neuron with two inputs learns from two samples, and every number on the way is computed twice: by hand, beside its
# formula, and by the package, drawn as a graph. Then it learns in earnest: more passes, new inputs, learning rates,
# overfitting, and the same neuron as a classifier.
#
# You need: Lesson 1, or the chain rule.

# %% [markdown] lang="zh"
# # 第 {1} 课：手算两个特征
#
# 一个有两个输入的神经元，从两个样本中学习，途中的每个数都算两遍：一遍手算，每个数都写在公式旁边；
# 一遍用包来算，画成计算图。然后让神经元真正学起来：多学几遍，换新的输入，换学习率，遇上过拟合，
# 最后把同一个神经元用作分类器。
#
# 预备知识：第 {1} 课，或者链式法则。

# %%
from random import Random

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import COLOURS, plot_boundary, plot_loss, plot_parameters, style_axes

# %% [markdown]
# ## The neuron
#
# $$\hat y = w_1 x_1 + w_2 x_2 + b, \qquad L = (\hat y - y)^2 .$$
#
# All three parameters start at 0, the learning rate is $\eta = 0.1$, and each sample in turn makes one update. By the
# chain rule, with the *error* $\hat y - y$:
#
# $$\frac{\partial L}{\partial w_1} = 2(\hat y - y)\,x_1, \qquad
#   \frac{\partial L}{\partial w_2} = 2(\hat y - y)\,x_2, \qquad
#   \frac{\partial L}{\partial b} = 2(\hat y - y).$$


# %% [markdown] lang="zh"
# ## 神经元
#
# 三个参数都从 {1} 开始，学习率是 {2}，每个样本依次更新一次参数。把 {3} 叫作**误差**，由链式法则得到：


# %%
def step_by_hand(w1, w2, b, x1, x2, y, η=0.1):
    """One update; every number beside its formula."""
    ŷ = w1 * x1 + w2 * x2 + b
    print(f"ŷ  = w1·x1 + w2·x2 + b = {w1:g}·{x1} + {w2:g}·{x2} + {b:g} = {ŷ:.10g}")
    L = (ŷ - y) ** 2
    print(f"L  = (ŷ − y)² = ({ŷ:.10g} − {y})² = {L:.10g}")
    dŷ = 2 * (ŷ - y)
    print(f"∂L/∂ŷ  = 2(ŷ − y) = {dŷ:.10g}")
    dw1, dw2, db = dŷ * x1, dŷ * x2, dŷ
    print(f"∂L/∂w1 = ∂L/∂ŷ·x1 = {dŷ:.10g}·{x1} = {dw1:.10g}")
    print(f"∂L/∂w2 = ∂L/∂ŷ·x2 = {dŷ:.10g}·{x2} = {dw2:.10g}")
    print(f"∂L/∂b  = ∂L/∂ŷ·1  = {db:.10g}")
    new = w1 - η * dw1, w2 - η * dw2, b - η * db
    for name, old, slope, number in zip(("w1", "w2", "b "), (w1, w2, b), (dw1, dw2, db), new):
        print(f"{name} ← {old:g} − {η}·({slope:.10g}) = {number:.10g}")
    return new


# %% [markdown]
# ## The first sample: (0.1, 0.8) → 0.8

# %% [markdown] lang="zh"
# ## 第一个样本：({1}, {2}) → {3}

# %%
after_1 = step_by_hand(0.0, 0.0, 0.0, x1=0.1, x2=0.8, y=0.8)
assert all(abs(got - wanted) < 1e-15 for got, wanted in zip(after_1, (0.016, 0.128, 0.16)))

# %% [markdown]
# The same by the package. The neuron is one `dot` node, which the picture opens into its products and sum; each arrow
# has its local derivative, each box its gradient. Follow the way from $L$ back to `w[1]` and multiply: it is
# $\partial L/\partial w_2$ from above, as Python counts from 0.

# %% [markdown] lang="zh"
# 再用包来算。这个神经元是一个 {1} 节点，图中把这个节点展开成几个乘积与一个和；每个箭头上有局部导数，
# 每个方框里有梯度。从 {2} 往回走到 {3}，把沿途的导数相乘：得到的正是上面的 {4}，因为 Python 从 {5} 开始计数。

# %%
neuron = tg.nn.Neuron(2, nonlin=False, init="zeros")
sgd = tg.optim.SGD(neuron.parameters(), lr=0.1)


def step(x, y):
    """The same update by `backward()` and SGD; returns the prediction, the loss, and the drawing of its graph."""
    prediction = neuron(x)
    prediction.label = "ŷ"
    L = (prediction - y) ** 2
    L.label = "L"
    sgd.zero_grad()
    L.backward()
    drawing = tg.draw(L)
    sgd.step()
    return prediction.data, L.data, drawing


ŷ_1, loss_1, drawing = step([0.1, 0.8], 0.8)
assert ŷ_1 == 0
assert abs(loss_1 - 0.64) < 1e-15
assert all(abs(p.data - wanted) < 1e-15 for p, wanted in zip(neuron.parameters(), (0.016, 0.128, 0.16)))
drawing

# %% [markdown]
# ## The second sample: (0.5, 0.3) → 0.5
#
# The neuron is not at 0 any more, so it predicts something.

# %% [markdown] lang="zh"
# ## 第二个样本：({1}, {2}) → {3}
#
# 神经元的参数已经不再是 {1}，所以这一次真的作出了预测。

# %%
after_2 = step_by_hand(*after_1, x1=0.5, x2=0.3, y=0.5)
assert all(abs(got - wanted) < 1e-15 for got, wanted in zip(after_2, (0.04536, 0.145616, 0.21872)))

# %%
ŷ_2, loss_2, drawing = step([0.5, 0.3], 0.5)
assert abs(ŷ_2 - 0.2064) < 1e-15
assert abs(loss_2 - 0.08620096) < 1e-15
assert all(abs(p.data - wanted) < 1e-15 for p, wanted in zip(neuron.parameters(), (0.04536, 0.145616, 0.21872)))
drawing

# %% [markdown]
# That was one pass over the data, an epoch. And this is what training is: the same again.
#
# ## More passes, and new inputs
#
# Two samples and three parameters: there is a neuron that has no error at all, in fact there are many. After enough
# passes we have one.

# %% [markdown] lang="zh"
# 数据到这里过完了一遍，这就是一轮（epoch）。所谓训练，就是把同样的事一遍又一遍做下去。
#
# ## 多学几遍，再看新的输入
#
# 两个样本，三个参数：存在一个完全没有误差的神经元，其实有很多个。学的遍数够多，就能得到其中一个。

# %%
X, y = [[0.1, 0.8], [0.5, 0.3]], [0.8, 0.5]


def trained(X, y, lr, epochs):
    neuron = tg.nn.Neuron(2, nonlin=False, init="zeros")
    sgd = tg.optim.SGD(neuron.parameters(), lr=lr)
    return neuron, tg.train.fit(neuron, X, y, loss=tg.losses.mse, optimizer=sgd, batch_size=1, epochs=epochs)


for epochs in (1, 10, 100, 1000):
    neuron, history = trained(X, y, lr=0.1, epochs=epochs)
    print(f"{epochs:4} passes: loss {history.loss[-1]:.3e}, parameters", [f"{p.data:.4f}" for p in neuron.parameters()])

# %% [markdown]
# *Inference* is to predict for inputs that were not in the data. No gradients are needed for it, so nothing has to be
# recorded:

# %% [markdown] lang="zh"
# **推理**（inference）就是对数据中没有的输入作出预测。推理用不着梯度，所以什么都不必记录：

# %%
with tg.no_grad():
    for sample in ([0.1, 0.8], [0.5, 0.3], [0.3, 0.5], [0.9, 0.9]):
        print(sample, "→", f"{neuron(sample).data:.4f}")

# %% [markdown]
# The first two are right, as they were learnt. Whether the other two are, nobody can know: two samples do not say what
# lies elsewhere.
#
# ## The effect of the learning rate
#
# Eight samples of a true plane, $y = x_1 + 0.5\,x_2 + 0.2$, and four learning rates, each with the whole batch for an
# update.

# %% [markdown] lang="zh"
# 前两个预测是对的，因为神经元学过这两个样本。后两个对不对，谁也无从知道：两个样本说明不了别处是什么样子。
#
# ## 学习率的作用
#
# 从一个真实的平面 {1} 上取八个样本，试四个学习率，每次更新都用整批样本。

# %%
rng = Random(0)
X8 = [[rng.random(), rng.random()] for _ in range(8)]
y8 = [x1 + 0.5 * x2 + 0.2 for x1, x2 in X8]


def run(lr, epochs=40):
    neuron = tg.nn.Neuron(2, nonlin=False, init="zeros")
    sgd = tg.optim.SGD(neuron.parameters(), lr=lr)
    return tg.train.fit(neuron, X8, y8, loss=tg.losses.mse, optimizer=sgd, epochs=epochs, record_parameters=True)


runs = {
    "0.005, too small": run(0.005),
    "0.3, converging": run(0.3),
    "0.62, oscillating": run(0.62),
    "0.65, diverging": run(0.65),
}
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
plot_loss(runs, left, scale="log")
ax = plot_parameters({name: run.parameters["b"][:21] for name, run in runs.items()}, right)
_ = ax.set_ylabel("b")

# %%
too_small, converging, oscillating, diverging = [run.loss for run in runs.values()]
assert 0.2 * too_small[0] < too_small[-1] < 0.5 * too_small[0]
assert converging[-1] < 1e-2 * converging[0]
assert 0.5 * oscillating[0] < oscillating[-1] < oscillating[0]
assert diverging[-1] > 100 * diverging[0]

# %% [markdown]
# On the right is what the loss does not show: at 0.62 the bias jumps from one side of its best number to the other and
# hardly gets any nearer; a little more, and each jump is longer than the one before. The border is 2 divided by the
# second derivative of the loss in the direction in which it is steepest:

# %% [markdown] lang="zh"
# 右图画出了损失曲线没有告诉我们的事：学习率为 {1} 时，偏置从最佳值的一侧跳到另一侧，几乎没有靠近；
# 学习率再大一点，就一次比一次跳得远。分界线是 {2} 除以损失在最陡方向上的二阶导数：

# %%


def loss_of(w1, w2, b):
    return tg.losses.mse([w1 * x1 + w2 * x2 + b for x1, x2 in X8], y8)


border = 2 / max(np.linalg.eigvalsh(tg.hessian(loss_of)(0.0, 0.0, 0.0)))
print(f"{border:.4f}")
assert 0.62 < border < 0.65

# %% [markdown]
# ## Overfitting
#
# A model with more freedom than the data can pin down learns the noise. Here are ten noisy points of a sine, and ten
# others of the same kind to judge by, for *validation*. A network of 16 neurons follows the first ten more and more
# closely; on the other ten it gets better at first, and then much worse.

# %% [markdown] lang="zh"
# ## 过拟合
#
# 如果模型的自由度超出了数据所能确定的范围，模型就会把噪声也学进去。下面是正弦曲线上十个带噪声的点，
# 还有十个同样得来的点，用来评判，也就是用于**验证**。一个有 {1} 个神经元的网络，与前十个点贴得越来越紧；
# 在另外十个点上，起初越来越好，后来却变得差很多。

# %%
rng = Random(4)


def noisy(n):
    xs = sorted(rng.uniform(-3, 3) for _ in range(n))
    return [[x] for x in xs], [tg.sin(x) + rng.gauss(0, 0.3) for x in xs]


(train_X, train_y), (test_X, test_y) = noisy(10), noisy(10)
network = tg.nn.MLP(1, [16, 1], activation="tanh", rng=Random(0))
history = tg.train.fit(
    network,
    train_X,
    train_y,
    optimizer=tg.optim.Adam(network.parameters(), lr=0.03),
    epochs=1500,
    validation=(test_X, test_y),
    compile=True,
)
best = min(range(history.epochs), key=history.validation.__getitem__)
print(f"training loss {history.loss[-1]:.4f}, on the other points {history.validation[-1]:.4f}")
print(f"the best was epoch {best}: {history.validation[best]:.4f}")
assert history.validation[-1] > 1.2 * history.validation[best]

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
grid = [[-3 + i / 20] for i in range(121)]
style_axes(left, "x", "y", "16 neurons, 10 points")
left.plot(grid, [network(x).data for x in grid], color=COLOURS[1], linewidth=2.2, label="prediction")
left.plot(train_X, train_y, "o", color=COLOURS[0], label="data")
left.plot(test_X, test_y, "x", color="black", label="the other points")
left.set(ylim=(-3, 2))
left.legend(loc="lower left", frameon=False)
ax = plot_loss(history, right, scale="log")

# %% [markdown]
# The curve bends to meet the dots and misses the crosses, most of all where there are no dots. More data help against
# that, a smaller network, or stopping at the best epoch.
#
# ## The same neuron as a classifier
#
# Is a point of one kind (1) or the other (0)? Let the neuron's output $z$ go through the sigmoid,
# $p = \sigma(z) = 1 / (1 + e^{-z})$, and call $p$ the probability of kind 1. The squared error gives way to the
# *cross-entropy*, which is small where a high probability was given to what turned out to be true:
#
# $$L = -\big[\,y \log p + (1 - y)\log(1 - p)\,\big].$$
#
# A little wonder happens in the chain rule, and is a reason for this choice:
# $\dfrac{\partial L}{\partial z} = p - y$, the plain error again.

# %% [markdown] lang="zh"
# 曲线弯来弯去，迎合了圆点，却偏离了叉号，没有圆点的地方偏得最多。
# 要防止过拟合，可以增加数据，可以用小一些的网络，也可以在最好的那一轮停下来。
#
# ## 同一个神经元用作分类器
#
# 一个点是这一类（{1}），还是另一类（{2}）？让神经元的输出 {3} 经过 sigmoid 函数，得到 {4}，
# 把 {5} 叫作这个点属于类别 {6} 的概率。平方误差也要让位给**交叉熵**：如果真实的类别得到了高概率，
# 交叉熵就小：
#
# 链式法则在这里带来一个小小的惊喜，这也是选用交叉熵的一个理由：{1}，又是误差本身。

# %%
z = tg.Value(0.3, label="z")
p = tg.sigmoid(z)
p.label = "p"
target = 1.0
L = -(target * tg.log(p) + (1 - target) * tg.log(1 - p))
L.label = "L"
L.backward()
print(f"∂L/∂z = {z.grad:.6f}, p − y = {p.data - target:.6f}")
assert abs(z.grad - (p.data - target)) < 1e-15
tg.draw(L, rankdir="TB", legend=False)

# %% [markdown]
# `bce_with_logits` takes $z$ itself and does both in one stable step: from $z = 37$ on $\sigma(z)$ is rounded to 1, and
# $\log(1 - p)$ does not exist. With it the neuron learns to tell forty points of two kinds apart, from zeros, one
# sample at a time, as before.

# %% [markdown] lang="zh"
# {1} 直接接收 {2}，把上面两件事合成数值稳定的一步：从 {3} 起，{4} 就舍入成 {5}，{6} 也就不存在了。
# 有了这个损失函数，神经元学会把两类共四十个点分开，参数和前面一样从零开始，一次一个样本。

# %%
rng = Random(2)
points = [[rng.gauss(c, 0.6), rng.gauss(c, 0.6)] for c in [-1.0] * 20 + [1.0] * 20]
kinds = [0] * 20 + [1] * 20
classifier = tg.nn.Neuron(2, nonlin=False, init="zeros")
history = tg.train.fit(
    classifier,
    points,
    kinds,
    loss=tg.losses.bce_with_logits,
    optimizer=tg.optim.SGD(classifier.parameters(), lr=0.1),
    batch_size=1,
    epochs=20,
)
right = sum((classifier(point).data > 0) == (kind == 1) for point, kind in zip(points, kinds))
print(f"{right} of {len(points)} right, cross-entropy {history.loss[0]:.4f} → {history.loss[-1]:.4f}")
assert right >= 38

# %%
ax = plot_boundary(classifier, points, kinds)

# %% [markdown]
# The boundary is where $z = 0$: a straight line, as $z$ is linear in the inputs. For anything else it takes more
# neurons: see the notebook *an MLP on real data*.
#
# ## Where the package does it
#
# - `Neuron.forward` in `tinygrad_edu/nn.py`: one `dot` node, a sum, and an activation.
# - `dot` in `tinygrad_edu/ops.py`: its local derivatives are the other factors.
# - `bce_with_logits` in `tinygrad_edu/losses.py`.

# %% [markdown] lang="zh"
# 决策边界在 {1} 的地方：{2} 对输入是线性的，所以边界是一条直线。要画出别的形状，就需要更多的神经元：
# 见笔记本《真实数据上的多层感知机》。
#
# ## 包里的实现
#
# - {1}，在 {2} 里：一个 {3} 节点，一次求和，一个激活函数。
# - {4}，在 {5} 里：对每个因子的局部导数，就是另一个因子。
# - {6}，在 {7} 里。

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Do a third step by hand: the first sample again, from `after_2`. Is its loss, `loss_3`, smaller than 0.64?
# Which parameters, `after_3`, does it lead to?

# %% [markdown] lang="zh"
# ## 练习
#
# 把省略号换成你的代码。{1} 会告诉你答案对不对；在后面加上 {2} 会给出一个提示，每次再多给一个。
# 参考答案在每道练习下面折叠起来的单元格里。
#
# **{1}.** 手算第三步：再用一次第一个样本，从 {2} 出发。这一步的损失 {3} 比 {4} 小吗？更新后得到的参数 {5} 是什么？

# %%
# Your code here
loss_3, after_3 = ..., ...
tg.teach.check("5.1", loss_3, after_3)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
one_step = tg.teach.exercise("5.1").solution()
display(one_step)

loss_3, after_3 = one_step(after_2, x1=0.1, x2=0.8, y=0.8, η=0.1)
step_by_hand(*after_2, x1=0.1, x2=0.8, y=0.8)  # with all numbers
neuron, history = trained([*X, X[0]], [*y, y[0]], lr=0.1, epochs=1)
assert all(abs(p.data - wanted) < 1e-15 for p, wanted in zip(neuron.parameters(), after_3))
tg.teach.check("5.1", loss_3, after_3)

# %% [markdown]
# **2.** Derive $\partial L / \partial z = p - y$ with pencil and paper, and write it as a function of $z$ and the
# target. It is tried at random $z$ for both targets, on Values, so that its own gradient can be compared, too.


# %% [markdown] lang="zh"
# **{1}.** 用纸和笔推导 {2}，再写成 {3} 与目标值的函数。检查时，对两种目标值都用随机的 {4} 来试，
# 而且传入的是 Value，这样函数自己的梯度也能拿来比较。


# %%
# Your code here
def slope(z, target):
    return ...


tg.teach.check("5.2", slope)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
slope = tg.teach.exercise("5.2").solution()
display(slope)

for _ in range(5):
    for target in (0.0, 1.0):
        z = tg.Value(rng.uniform(-3, 3))
        p = tg.sigmoid(z)
        (-(target * tg.log(p) + (1 - target) * tg.log(1 - p))).backward()
        assert abs(z.grad - slope(z, target).data) < 1e-14
print("it holds at all ten")
tg.teach.check("5.2", slope)

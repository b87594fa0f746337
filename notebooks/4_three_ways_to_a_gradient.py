# %% [markdown]
# # Lesson 4: three ways to a gradient
#
# A gradient can be had (1) by nudging each parameter and seeing what happens, (2) by formulas that somebody has
# derived, (3) by a program that remembers what it computed. We train the same line with all three, compare them to the
# last digit, and then build an engine for the third from nothing: first one that looks right and is wrong, then one
# that is right.
#
# You need: Lesson 1.

# %% [markdown] lang="zh"
# # 第 {1} 课：求梯度的三种方法
#
# 求梯度有三种方法：（{1}）把每个参数轻轻推一下，看看会发生什么；（{2}）用别人推导好的公式；
# （{3}）用一个能记住自己算了什么的程序。我们用这三种方法训练同一条直线，把结果比较到最后一位数字，然后从零开始，
# 为第三种方法造一个引擎：先造一个看上去对、其实错了的，再造一个对的。
#
# 预备知识：第 {1} 课。

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

# %% [markdown] lang="zh"
# ## 从图上看导数是什么
#
# 函数在 {1} 处的导数，就是函数图像在该处切线的斜率。sin 的导数是 cos：

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

# %% [markdown] lang="zh"
# 右图中的点是 {1} 的**数值**导数：让 {4} 变化一个很小的 {3}，用 {2} 的变化除以 {3}。这些点都落在直线 {5} 上，
# 至少看上去是这样。
#
# ## 手算均方误差
#
# 三个学生的预测分数是 {1}、{2} 和 {3}，实际得分是 {4}、{5} 和 {6}。误差是 {7}、{8} 和 −{9}，
# 平方是 {10}、{11} 和 {12}，均值是

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

# %% [markdown] lang="zh"
# ## 直线与数据
#
# 数据是 {1}，一百个输入从 {2} 到 {3}；噪声由公式给出，这样每个人得到的数都一样。模型是 {4}，从 {5}、{6} 开始，
# 损失是 MSE，以 {8} 训练 {7} 轮，每轮更新一次。

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


# %% [markdown] lang="zh"
# ### （{1}）用数值差分
#
# 把一个参数推动 {1}，看看损失变化多少。除了损失本身，别的什么都不需要，每个参数只要多算一次损失：


# %%
def by_differences(w, b, h=0.001):
    here = loss_of(w, b)
    return (loss_of(w + h, b) - here) / h, (loss_of(w, b + h) - here) / h


# %% [markdown]
# ### (2) By formulas
#
# The chain rule, by hand: the derivative of $(y - \hat y)^2$ in $w$ is $-2x(y - \hat y)$, in $b$ it is
# $-2(y - \hat y)$; averaged over the samples.


# %% [markdown] lang="zh"
# ### （{1}）用公式
#
# 手算链式法则：{1} 对 {2} 的导数是 {3}，对 {4} 的导数是 {5}；再对所有样本取平均。


# %%
def by_formulas(w, b):
    errors = [yi - (w * xi + b) for xi, yi in zip(x, y)]
    return sum(-2 * xi * e for xi, e in zip(x, errors)) / n, sum(-2 * e for e in errors) / n


# %% [markdown]
# ### (3) By `Value`
#
# The loss is computed on Values, and `backward()` applies the chain rule. Note that `loss_of` is the very function from
# above.


# %% [markdown] lang="zh"
# ### （{1}）用 {2}
#
# 损失用 Value 计算，再由 {1} 应用链式法则。注意，这里的 {2} 正是上面的那个函数。


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

# %% [markdown] lang="zh"
# ## 数值差分的偏差从哪里来
#
# （{1}）和（{2}）的结果相同，只差浮点数的舍入误差。（{3}）最后得到另一个 {4}，偏差在小数点后第四位。偏差有多大，
# 泰勒公式可以告诉我们：
#
# 我们的损失是二次函数，所以 {1} 是常数，后面也没有别的项：对 {2} 来说，{1} 等于 {3}，差分恰好大了 {4}；
# 对 {5} 来说，{1} 等于 {6}。下降会走到**错误的**梯度等于 {7} 的地方。对一元的抛物线，
# 这个地方在极小值点左边 {8} 处；这里的两个参数也差不多是这样：

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

# %% [markdown] lang="zh"
# 那么把 {1} 取小一些？可以，但有限度。浮点数有 {2} 个二进制位，所以 {3} 只能准确到自身的 {4} 左右；
# 两个这样的数相减，再除以 {5}，误差最大约为 {6}，{7} 越小，误差反而**越大**。图中右边是截断误差，左边是舍入误差，
# 中间有一个最好的 {8}，不过即使取这个值，也要丢掉一半的数字。中心差分 {9} 要好一些，但同样有这两边的误差。
# 这里画的是 {10} 在 {11} 处的情形，那里的三阶导数不等于 {12}：

# %%
ax = plot_numeric_gradient(lambda w: w.sin().exp(), 1.0)

# %% [markdown]
# And for our loss in $w$, whose second derivative is small and third is 0: the central difference has no truncation
# error at all.

# %% [markdown] lang="zh"
# 再看我们的损失，作为 {1} 的函数，二阶导数很小，三阶导数是 {2}：中心差分完全没有截断误差。

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

# %% [markdown] lang="zh"
# 数值差分要为每个参数算一次损失，而且永远不精确。公式是精确的，可是每换一个模型，
# 都得有人重新推导。{1} 也是精确的，会自己推导公式，而且无论有多少个参数，代价只相当于算几次损失。
#
# ## 程序记住的计算图
#
# 这是 {1} 的计算图，旁边是 {2} 的，{3} 不依赖于后者。两张图共用叶节点 {4} 和 {5}：

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


# %% [markdown] lang="zh"
# 只有计算 {1} 时用到的节点，才从 {2} 得到了梯度；{3} 的梯度是 {4}。
#
# ## 从零开始写一个小引擎
#
# 一个类要做到这些，需要什么？需要一个数、算出这个数的各个输入，以及对每个输入的斜率。最先想到的写法是：
# 每次运算都把斜率存起来，{1} 立刻用递归把“梯度 · 斜率”传给各个输入。


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

# %% [markdown] lang="zh"
# 如果各个运算连成一条链，或者没有哪个数用到两次，这样写是对的：

# %%
x1, w1 = Naive(2.0), Naive(-3.0)
y1 = (x1 * w1 + Naive(10.0)).relu()
y1.backward()
print(x1.grad, w1.grad)
assert (x1.grad, w1.grad) == (-3.0, 2.0)

# %% [markdown]
# Now the real one beside it, on three small programs. What is right, anybody can compute: in `b = a + a; c = b + b`,
# $c = 4a$.

# %% [markdown] lang="zh"
# 现在把真正的引擎放在旁边，用三个小程序作比较。正确答案谁都会算：在 {1} 中，{2}。

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


# %% [markdown] lang="zh"
# 三个错误，每个都教给我们一件事：
#
# - **该用 {2} 的地方用了 {1}**，还在途中清零：用到两次的数沿两条路径影响结果，链式法则把两条路径**相加**，
#   第二条路径却覆盖了第一条。所以：梯度要累加；清零要在反向传播之前做，不在传播途中做。
# - **立刻递归**：即使用了 {3}，像 {4} 这样的中间节点也会在只收到一部分梯度时就传下去，等两部分都收到了，
#   又传一次。要等用到一个节点的所有运算都贡献完了，这个节点才能把梯度传下去。所以：按**拓扑序**访问节点，
#   这里是从结果往回走，每个节点都排在所有用到自己的节点之后。
# - **指数也是变量**：{5}。漏掉一个斜率，得到的梯度就是 {6}。
#
# ## 修好的引擎


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

# %% [markdown] lang="zh"
# 三十来行代码，就能对由这些运算组成的任何程序求导。与这个包的引擎相比，这里还缺几样：
# 不用递归的做法（{1} 个节点的链，对 {2} 来说太深了）；能与 Value 混用的普通数字，这样求负数的平方时，
# 就不会去求这个负数的对数；能说明错在哪里的报错；还有可以再次求导的斜率。
# 笔记本《亲手写一个引擎》会一步一步做到这些。
#
# ## 包里的实现
#
# - {1}，在 {2} 里：顺序与 {3} 相同，用栈实现。
# - {4} 和 {5}，在 {6} 里。斜率在 {7} 里，其中的 {8} 两个斜率都有。
# - 数值梯度的图：{9}。

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** With central differences, how close does training (1) come to (2)? Write them for any function $f(w, b)$, such
# as `loss_of`.


# %% [markdown] lang="zh"
# ## 练习
#
# 把省略号换成你的代码。{1} 会告诉你答案对不对；在后面加上 {2} 会给出一个提示，每次再多给一个。
# 参考答案在每道练习下面折叠起来的单元格里。
#
# **{1}.** 训练（{2}）改用中心差分后，结果能与（{3}）有多接近？请对任意函数 {4}（例如 {5}）写出中心差分。


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

# %% [markdown] lang="zh"
# **{1}.** 只改正 {2} 的第一个错误（改用 {3}，不清零）。三个程序中，哪些得到正确的结果，其余的得到什么？

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

# %% [markdown]
# # Lesson 1: a line, step by step
#
# Twenty points scatter around a straight line. Which line? We shall find it by *gradient descent*: start with any line,
# ask in which direction its two numbers have to move to make it better, move them a little, and ask again. It is how
# networks with billions of parameters are trained; here there are two, so that every number can be followed by hand.
#
# You need: what a derivative is, and the chain rule. At the end you will have computed one round of gradient descent by
# hand, let the program do the others, and checked its result against the exact solution.

# %% [markdown] lang="zh"
# # 第 {1} 课：一步一步求一条直线
#
# 二十个点散布在一条直线附近。是哪一条直线？我们用**梯度下降**来找：先随便取一条直线，问一问决定直线的两个数该朝哪个
# 方向变，直线才会更好，把两个数变动一点，然后再问。有几十亿个参数的网络就是这样训练出来的；这里只有两个参数，
# 所以每个数都可以跟着手算一遍。
#
# 预备知识：导数的概念和链式法则。这一课学下来，你会亲手算完一轮梯度下降，让程序算其余各轮，
# 再用精确解检验程序的结果。

# %%
from IPython.display import display

import tinygrad_edu as tg
from tinygrad_edu.viz.plots import plot_fit, plot_loss, plot_parameters, plot_rounds

# %% [markdown]
# ## The data
#
# The points come from $y = 2x + 1$ with some noise. Pretend that you do not know that. Here are the first five, and all
# of them:

# %% [markdown] lang="zh"
# ## 数据
#
# 这些点由 {1} 加上一些噪声得到。请假装你不知道这个公式。下面先列出前五个点，再画出所有的点：

# %%
X, y = tg.data.line(n=20, slope=2.0, intercept=1.0, noise=0.3, seed=1)
x = [row[0] for row in X]  # a sample is a list of features; ours have one

print("  i      x        y")
for i in range(5):
    print(f"{i:3} {x[i]:7.2f} {y[i]:9.4f}")

# %%
a, b = 0.293, 0.758  # any line will do to start with
ax = plot_fit(x, y, {"where we start": [a * xi + b for xi in x]})

# %% [markdown]
# ## One round by hand
#
# The model is $\hat y = a\,x + b$, and we start at $a = 0.293$, $b = 0.758$. A round has six steps.
#
# **Step 1, predict.** For each point $\hat y_i = a\,x_i + b$.

# %% [markdown] lang="zh"
# ## 手算一轮
#
# 模型是 {1}，从 {2}、{3} 开始。一轮有六步。
#
# **第 {1} 步，预测。** 对每个点计算 {2}。

# %%
predicted = [a * xi + b for xi in x]
print("  i      x        y    predicted")
for i in range(5):
    print(f"{i:3} {x[i]:7.2f} {y[i]:9.4f} {predicted[i]:9.4f}")

# %% [markdown]
# **Step 2, the loss.** One number that says how bad the line is: the sum of squared errors,
#
# $$L = \sum_i (\hat y_i - y_i)^2 .$$

# %% [markdown] lang="zh"
# **第 {1} 步，损失。** 用一个数说明这条直线有多差，这个数就是误差平方和：

# %%
loss = sum((p - yi) ** 2 for p, yi in zip(predicted, y))
print(f"L = {loss:.6f}")

# %% [markdown]
# **Step 3, how the loss depends on each prediction.** The derivative of a square:
#
# $$\frac{\partial L}{\partial \hat y_i} = 2\,(\hat y_i - y_i).$$

# %% [markdown] lang="zh"
# **第 {1} 步，损失怎样依赖每个预测值。** 对平方求导：

# %%
dL_dpredicted = [2 * (p - yi) for p, yi in zip(predicted, y)]
for i in range(5):
    print(f"∂L/∂ŷ_{i} = 2·({predicted[i]:.4f} − ({y[i]:.4f})) = {dL_dpredicted[i]:.4f}")

# %% [markdown]
# **Step 4, how each prediction depends on $a$ and $b$.** From $\hat y_i = a\,x_i + b$:
#
# $$\frac{\partial \hat y_i}{\partial a} = x_i, \qquad \frac{\partial \hat y_i}{\partial b} = 1.$$

# %% [markdown] lang="zh"
# **第 {1} 步，每个预测值怎样依赖 {2} 和 {3}。** 由 {4} 得到：

# %%
dpredicted_da = x
dpredicted_db = [1.0] * len(x)
print("∂ŷ/∂a:", [f"{d:.2f}" for d in dpredicted_da[:5]], "…")
print("∂ŷ/∂b:", [f"{d:.2f}" for d in dpredicted_db[:5]], "…")

# %% [markdown]
# **Step 5, the chain rule.** A change of $a$ changes all predictions, and each of them changes the loss. So multiply
# along each way, and add the ways up:
#
# $$\frac{\partial L}{\partial a} = \sum_i \frac{\partial L}{\partial \hat y_i}\,\frac{\partial \hat y_i}{\partial a}
#   = \sum_i 2\,(\hat y_i - y_i)\,x_i, \qquad
#   \frac{\partial L}{\partial b} = \sum_i 2\,(\hat y_i - y_i).$$

# %% [markdown] lang="zh"
# **第 {1} 步，链式法则。** {2} 一变，所有预测值都跟着变，每个预测值又会改变损失。所以沿每条路径相乘，
# 再把各条路径的结果相加：

# %%
dL_da = sum(d * k for d, k in zip(dL_dpredicted, dpredicted_da))
dL_db = sum(d * k for d, k in zip(dL_dpredicted, dpredicted_db))
print(f"∂L/∂a = {dL_da:.6f}")
print(f"∂L/∂b = {dL_db:.6f}")

# %% [markdown]
# Both are negative: a larger $a$ and a larger $b$ would make the loss smaller.
#
# **Step 6, move.** Against the gradient, by a small multiple $\eta$ of it, the *learning rate*:
#
# $$a \leftarrow a - \eta\,\frac{\partial L}{\partial a}, \qquad b \leftarrow b - \eta\,\frac{\partial L}{\partial b}.$$

# %% [markdown] lang="zh"
# 两个导数都是负的：增大 {1}，增大 {2}，都会使损失变小。
#
# **第 {1} 步，移动。** 逆着梯度走，移动的量是梯度乘以一个小的数 {2}，这个数叫作**学习率**：

# %%
η = 0.01
a_new = a - η * dL_da
b_new = b - η * dL_db
print(f"a: {a} − {η}·({dL_da:.4f}) = {a_new:.6f}")
print(f"b: {b} − {η}·({dL_db:.4f}) = {b_new:.6f}")
new_loss = sum((a_new * xi + b_new - yi) ** 2 for xi, yi in zip(x, y))
print(f"L: {loss:.4f} before, {new_loss:.4f} after")

# %% [markdown]
# One round, and the loss is a good deal smaller. The next round does the same from the new $a$ and $b$.
#
# ## The same, by the engine
#
# Nobody derives by hand what has a million parameters. With `Value` you write steps 1 and 2; it remembers how the loss
# was computed, and `backward()` does steps 3, 4 and 5. Here is the graph of the loss of *two* points, so that it fits
# on the page. Each arrow bears a local derivative: look for $x_i$ and $1$ of step 4. (A square's $2(\hat y - y)$ is
# there too, where the error goes into `**2`.)

# %% [markdown] lang="zh"
# 只做了一轮，损失就小了很多。下一轮从新的 {1} 和 {2} 出发，再做同样的事。
#
# ## 同样的事，交给引擎
#
# 有一百万个参数的模型，没有人会手工求导。用 {1}，你只需写出第 {2}、{3} 步：{1} 会记住损失是怎样算出来的，第 {5}、
# {6}、{7} 步由 {4} 完成。下面是损失的计算图，为了页面上放得下，只取**两个**点。每个箭头上都有一个局部导数：
# 找一找第 {10} 步的 {8} 和 {9}。（平方的导数 {11} 也在图上，就在误差进入 {12} 的地方。）

# %%
A, B = tg.Value(0.293, label="a"), tg.Value(0.758, label="b")
errors = []
for i in (0, 1):
    prediction = A * x[i] + B
    prediction.label = f"ŷ{i}"
    error = prediction - y[i]
    error.label = f"error {i}"
    errors.append(error)
L = errors[0] ** 2 + errors[1] ** 2
L.label = "L"
L.backward()
tg.draw(L, parameters=[A, B])

# %% [markdown]
# Now all twenty points, with the package's own model and loss. `Linear(1)` computes $w\,x + b$; its parameters are
# Values.

# %% [markdown] lang="zh"
# 现在用上全部二十个点，模型和损失函数也用包里现成的。{1} 计算 {2}，参数都是 Value。

# %%
model = tg.nn.Linear(1)
weight, bias = model.parameters()
weight.data, bias.data = 0.293, 0.758

L = tg.losses.sse([model(sample) for sample in X], y)
L.backward()
print(f"L     = {L.data:.6f}")
print(f"∂L/∂a = {weight.grad:.6f}")
print(f"∂L/∂b = {bias.grad:.6f}")

assert abs(L.data - loss) < 1e-12
assert abs(weight.grad - dL_da) < 1e-12
assert abs(bias.grad - dL_db) < 1e-12

# %% [markdown]
# The same numbers as by hand, to the rounding of floats.
#
# ## Again and again
#
# Step 6 is the optimizer's: `SGD` does $\theta \leftarrow \theta - \eta\,\partial L/\partial\theta$ for each parameter
# $\theta$. `fit` repeats the round until the loss is low enough (`target_loss=`), or until the gradient is 0: then the
# loss does not get smaller any more, and that is `tol=0.0`. Here the second will happen. All data at once make one
# update, so an *epoch*, which is one pass over the data, is a round.

# %% [markdown] lang="zh"
# 得到的数与手算的相同，只差浮点数的舍入误差。
#
# ## 一轮又一轮
#
# 第 {1} 步是优化器的事：{2} 对每个参数 {4} 执行 {3}。{5} 一轮一轮重复，直到损失足够小（{6}），
# 或者直到梯度等于 {7}：这时损失不会再变小，{8} 就是这个意思。这里会发生的是后一种情况。全部数据合在一起，
# 只更新一次，所以把数据过一遍（一个 **epoch**）正好是一轮。

# %%
history = tg.train.fit(
    model,
    X,
    y,
    loss=tg.losses.sse,
    optimizer=tg.optim.SGD(model.parameters(), lr=η),
    epochs=10_000,
    tol=0.0,
    record_parameters=True,
)
print(history)
assert abs(history.parameters["neurons[0].w[0]"][1] - a_new) < 1e-12  # the first round is the one by hand
assert abs(history.parameters["neurons[0].b"][1] - b_new) < 1e-12

# %%
ax = plot_rounds(model, X, y, history, rounds=[1, 3, 5])

# %% [markdown]
# Each round turns the line further towards the points, and the later ones in smaller and smaller steps, as the gradient
# gets smaller. The two numbers on their way:

# %% [markdown] lang="zh"
# 每一轮都让直线再转一点，离这些点更近；梯度越来越小，所以越往后，每次转得也越少。这两个数一路上的变化：

# %%
ax = plot_parameters(
    {"a": history.parameters["neurons[0].w[0]"][:81], "b": history.parameters["neurons[0].b"][:81]}, xlabel="round"
)

# %% [markdown]
# $b$ is there sooner than $a$: in the direction of $a$ the loss is flatter. And the loss itself, with an axis on which
# each step up is a doubling ($\log_2 L$). It does not go to 0, as no line goes through all points.

# %% [markdown] lang="zh"
# {1} 比 {2} 先到位：沿 {3} 的方向，损失更平缓。再看损失本身，纵轴上每升高一格，就是翻一倍（{4}）。
# 损失不会降到 {5}，因为没有一条直线能穿过所有的点。

# %%
ax = plot_loss(history, scale="log2")
_ = ax.set(xlim=(0, 80), xlabel="round")

# %% [markdown]
# ## The exact answer
#
# For a line the best $a$ and $b$ can be computed: set both derivatives to 0 and solve the two equations.
#
# $$a = \frac{\sum_i (x_i - \bar x)(y_i - \bar y)}{\sum_i (x_i - \bar x)^2}, \qquad b = \bar y - a\,\bar x .$$

# %% [markdown] lang="zh"
# ## 精确解
#
# 对直线来说，最好的 {1} 和 {2} 可以直接算出来：令两个导数都等于 {3}，解这两个方程，得到

# %%
mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
exact_a = sum((p - mean_x) * (q - mean_y) for p, q in zip(x, y)) / sum((p - mean_x) ** 2 for p in x)
exact_b = mean_y - exact_a * mean_x

print("            a            b")
print(f"exact    {exact_a:.9f}  {exact_b:.9f}")
print(f"descent  {weight.data:.9f}  {bias.data:.9f}")
assert abs(weight.data - exact_a) < 1e-6
assert abs(bias.data - exact_b) < 1e-6

# %% [markdown]
# Gradient descent agrees to more than six digits. Why descend at all, then? Because this formula exists for straight
# lines, and hardly for anything else. Descent needs nothing but derivatives, and those we can always get. Lesson 3
# comes back to it.
#
# ## Where the package does it
#
# - The chain rule of step 5: `_backpropagate` in `tinygrad_edu/engine.py`; the order of the nodes: `_zero_gradients`
#   above it.
# - Local derivatives, step 4: the table in `tinygrad_edu/ops.py`; `mul` has `b` and `a`, `add` has 1.0 and 1.0.
# - Step 6: `SGD.update` in `tinygrad_edu/optim.py`. The loop: `_take_step` in `tinygrad_edu/train/fit.py`.

# %% [markdown] lang="zh"
# 梯度下降的结果与精确解有六位以上的数字相同。既然如此，何必还要下降呢？因为直线才有这样的公式，别的模型几乎都没有。
# 下降只需要导数，而导数总能求出来。第 {1} 课会再谈这个问题。
#
# ## 包里的实现
#
# - 第 {1} 步的链式法则：{2}，在 {3} 里；节点的顺序：{4}，就在 {2} 上面。
# - 第 {5} 步的局部导数：{6} 里的表格；其中 {7} 的是 {8} 和 {9}，{10} 的是 {11} 和 {12}。
# - 第 {13} 步：{14}，在 {15} 里。循环：{16}，在 {17} 里。

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** Do the second round by hand, from `a_new` and `b_new`. At which numbers `a_2` and `b_2` does it end? Compare
# them with `history.parameters`.

# %% [markdown] lang="zh"
# ## 练习
#
# 把省略号换成你的代码。{1} 会告诉你答案对不对；在后面加上 {2} 会给出一个提示，每次再多给一个。
# 参考答案在每道练习下面折叠起来的单元格里。
#
# **{1}.** 从 {2} 和 {3} 出发，手算第二轮。最后得到的两个数 {4} 和 {5} 是多少？与 {6} 比较一下。

# %%
# Your code here
a_2, b_2 = ..., ...
tg.teach.check("1.1", a_2, b_2)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
one_round = tg.teach.exercise("1.1").solution()
display(one_round)

a_2, b_2 = one_round(x, y, a_new, b_new, η)
print(f"by hand: a = {a_2:.6f}, b = {b_2:.6f}")
assert abs(history.parameters["neurons[0].w[0]"][2] - a_2) < 1e-12
assert abs(history.parameters["neurons[0].b"][2] - b_2) < 1e-12
tg.teach.check("1.1", a_2, b_2)

# %% [markdown]
# **2.** Which learning rate is too large? Try `lr=0.04` and `lr=0.06`. What does the package say? Hold $a$ fixed: the
# loss is a parabola in $b$. Above which learning rate, `limit`, does a step along $b$ end further from its lowest point
# than it began?

# %% [markdown] lang="zh"
# **{1}.** 多大的学习率就太大了？试试 {2} 和 {3}。包会怎么说？把 {4} 固定住：损失作为 {5} 的函数是一条抛物线。
# 学习率超过多少（{6}）时，沿 {7} 的方向走一步，离抛物线的最低点反而比原来更远？

# %%
# Your code here
limit = ...
tg.teach.check("1.2", limit)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
largest_learning_rate = tg.teach.exercise("1.2").solution()
display(largest_learning_rate)

limit = largest_learning_rate(x)
print(f"limit: {limit}")
for lr in (0.04, 0.06):
    model.load_state_dict({"neurons[0].w[0]": 0.293, "neurons[0].b": 0.758})
    sgd = tg.optim.SGD(model.parameters(), lr=lr)
    try:
        print(lr, tg.train.fit(model, X, y, loss=tg.losses.sse, optimizer=sgd, epochs=200))
    except tg.train.DivergenceError as error:
        print(lr, error)
tg.teach.check("1.2", limit)

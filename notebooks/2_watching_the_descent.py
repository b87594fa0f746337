# %% [markdown]
# # Lesson 2: watching the descent
#
# The line of Lesson 1, with more points, while it turns into place: we shall see what the learning rate and the
# tolerance do. Then several features: there is no line to look at any more, and the program stays the same.
#
# You need: Lesson 1, or the update $\theta \leftarrow \theta - \eta\,\nabla L$.

# %% [markdown] lang="zh"
# # 第 {1} 课：看着它下降
#
# 还是第 {1} 课那样的直线，点更多一些，这次看着直线一点点转到位：我们会看到学习率和容差起什么作用。然后是多个特征：
# 再也没有直线可看，程序却还是原来的程序。
#
# 预备知识：第 {1} 课，或者更新公式 {2}。

# %%
from IPython.display import Image, display
from sklearn.datasets import make_regression

import tinygrad_edu as tg
from tinygrad_edu.viz.animations import animate_line
from tinygrad_edu.viz.plots import plot_fit, plot_loss, plot_parameters, plot_predictions, plot_surface

# %% [markdown]
# ## The data
#
# A hundred points made by scikit-learn: one feature $x$, a line with the intercept 50, and noise with a standard
# deviation of 5.

# %% [markdown] lang="zh"
# ## 数据
#
# 由 scikit-learn 生成的一百个点：一个特征 {1}，一条截距为 {2} 的直线，再加上标准差为 {3} 的噪声。

# %%
X, y = make_regression(n_samples=100, n_features=1, noise=5, bias=50, random_state=0)
x = [float(number) for (number,) in X]

# %% [markdown]
# ## The loss and the update
#
# The model is $\hat y = b_1 x + b_0$. The loss is half the sum of squared errors; the half is there so that it cancels
# the 2 of the derivative:
#
# $$L = \sum_i \tfrac12 (\hat y_i - y_i)^2, \qquad
#   \frac{\partial L}{\partial b_1} = \sum_i (\hat y_i - y_i)\,x_i, \qquad
#   \frac{\partial L}{\partial b_0} = \sum_i (\hat y_i - y_i).$$
#
# A sum over twice as many points is about twice as large, and so would be the step. To choose a learning rate that does
# not depend on how many points there are, the update uses the *mean* gradient, with $n = 100$ points:
#
# $$\theta \leftarrow \theta - \eta\,\frac1n\,\frac{\partial L}{\partial \theta}.$$
#
# When to stop? When an update has improved the loss by no more than a *tolerance*: what is left to gain is not worth
# the work. Here is the whole descent, with nothing but `Value`, and the steps written out. It needs a few seconds, as
# each update makes 600 operations, and goes back through them.

# %% [markdown] lang="zh"
# ## 损失与更新
#
# 模型是 {1}。损失是误差平方和的一半；取一半，是为了约去求导时出现的 {2}：
#
# 点数变成两倍，总和也大约变成两倍，步子也会跟着变成两倍。为了让学习率的选择与点数无关，更新时用的是梯度的**均值**，
# 这里共有 {1} 个点：
#
# 什么时候停？一次更新使损失减少的量不超过**容差**时就停：再算下去，得不偿失。下面是整个下降过程，
# 除了 {1} 什么都不用，每一步都写出来。运行要几秒钟，因为每次更新都要做 {2} 次运算，再沿着这些运算走回来。

# %%
learning_rate, tolerance = 0.005, 0.01

b0, b1 = tg.Value(0.5, label="b0"), tg.Value(0.5, label="b1")
updates, before = 0, float("inf")
while True:
    loss = sum(0.5 * (b1 * xi + b0 - yi) ** 2 for xi, yi in zip(x, y))
    if before - loss.data <= tolerance:
        break
    before = loss.data
    b0.grad = b1.grad = 0.0
    loss.backward()
    for p in (b0, b1):
        p.data -= learning_rate * p.grad / len(x)
    updates += 1

print(f"{updates} updates: b0 = {b0.data:.6f}, b1 = {b1.data:.6f}, loss {loss.data:.6f}")
assert updates == 1160
assert abs(b0.data - 49.479924) < 1e-6
assert abs(b1.data - 42.432681) < 1e-6
assert abs(loss.data - 1428.077253) < 1e-6

# %% [markdown]
# The package's `fit` is this loop. `half_sse` is the loss; as its gradient is the sum's, the learning rate is divided
# by $n$.

# %% [markdown] lang="zh"
# 包里的 {1} 就是这个循环。损失用 {2}；求出的梯度是总和的梯度，所以学习率要除以 {3}。

# %%
model = tg.nn.Linear(1)
for p in model.parameters():
    p.data = 0.5
history = tg.train.fit(
    model,
    X,
    y,
    loss=tg.losses.half_sse,
    optimizer=tg.optim.SGD(model.parameters(), lr=learning_rate / len(x)),
    tol=tolerance,
    epochs=5000,
    record_parameters=True,
    compile=True,  # NumPy over all samples instead of a graph for each: the same numbers, sooner
)
print(history)
w, b = model.parameters()
assert history.updates == 1160
assert abs(w.data - b1.data) < 1e-9
assert abs(b.data - b0.data) < 1e-9

# %%
ax = plot_fit(x, y, [model([xi]).data for xi in x])

# %% [markdown]
# ## Watch it
#
# The line turns into place, fast at first. On the right the loss, with a dot for the moment. Learning rate, tolerance,
# and how many frames an update gets (0.025: one frame for every 40 updates) are parameters: try others.

# %% [markdown] lang="zh"
# ## 看动画
#
# 直线转到位，开始时转得快。右边是损失，圆点标出此刻的位置。学习率、容差，以及每次更新占多少帧（{1}：
# 每 {2} 次更新一帧），都是可以改的参数：试试别的值。

# %%
animation = animate_line(x, y, lr=0.005, tol=0.01, frames_per_update=0.025)
animation.save("descent.gif")
animation.save("descent.html")  # a page with a player: pause, single steps, a slider
animation.save("descent.png")  # moves wherever this notebook is read
Image("descent.png")  # `animation` alone as the last line is the player

# %% [markdown]
# ## The same descent from above
#
# The loss is a function of $b_0$ and $b_1$, a valley. Each point of the plane is a line through the data; the path
# leads from $(0.5, 0.5)$ to the lowest point, across the contours, as the gradient is perpendicular to them. (Here the
# mean of $x$ is near 0 and the mean of $x^2$ near 1, so the contours are nearly circles, and the path nearly straight.)

# %% [markdown] lang="zh"
# ## 从上方看同一次下降
#
# 损失是 {1} 和 {2} 的函数，形状像山谷。平面上的每个点，都代表一条穿过数据的直线；轨迹从 {3} 通向最低点，
# 一路垂直穿过等高线，因为梯度与等高线垂直。（这里 {4} 的均值接近 {5}，{6} 的均值接近 {7}，所以等高线接近圆，
# 轨迹接近直线。）

# %%
paths = history.parameters
surface = tg.losses.half_sse([w * xi + b for xi in x], y)
ax = plot_surface(
    surface,
    b,
    w,
    path=(paths["neurons[0].b"], paths["neurons[0].w[0]"]),
    xlabel="b0",
    ylabel="b1",
)

# %% [markdown]
# ## The learning rate and the tolerance
#
# A learning rate ten times as large needs about a tenth of the updates. A tolerance a hundred times as large stops
# earlier, further from the minimum; until then it is the same run, so in the picture one curve lies on the other.

# %% [markdown] lang="zh"
# ## 学习率与容差
#
# 学习率变成十倍，更新次数大约只要十分之一。容差变成一百倍，停得就早一些，离极小值点也远一些；在停下来之前，
# 两次训练完全一样，所以图中两条曲线叠在一起。

# %%
runs = {}
for lr, tol in [(0.005, 0.01), (0.05, 0.01), (0.005, 1.0)]:
    for p in model.parameters():
        p.data = 0.5
    sgd = tg.optim.SGD(model.parameters(), lr=lr / len(x))
    run = tg.train.fit(model, X, y, loss=tg.losses.half_sse, optimizer=sgd, tol=tol, epochs=5000, compile=True)
    runs[f"η {lr}, tolerance {tol}"] = run
    print(f"η = {lr:5}, tolerance {tol:4}: {run.updates:4} updates, loss {run.loss[-1]:.3f}")

# %%
ax = plot_loss(runs, scale="log")

# %% [markdown]
# ## Several features
#
# *Multiple regression*: $\hat y = w_1 x_1 + w_2 x_2 + w_3 x_3 + b$. A picture of a line does not exist any more, but
# nothing in the program changes: the gradient just has four numbers instead of two.

# %% [markdown] lang="zh"
# ## 多个特征
#
# **多元回归**：{1}。再也画不出一条直线，程序却什么都不用改：只是梯度从两个数变成了四个数。

# %%
X3, y3, true_w = make_regression(
    n_samples=100, n_features=3, n_informative=3, noise=5, bias=50, coef=True, random_state=0
)
model3 = tg.nn.Linear(3, init="zeros")
history3 = tg.train.fit(
    model3,
    X3,
    y3,
    loss=tg.losses.half_sse,
    optimizer=tg.optim.SGD(model3.parameters(), lr=0.05 / len(X3)),
    tol=0.01,
    epochs=5000,
    record_parameters=True,
    compile=True,
)
*weights, bias = [p.data for p in model3.parameters()]
print(history3)
print("learnt:", [f"{number:.2f}" for number in weights], f"and {bias:.2f}")
print("true:  ", [f"{number:.2f}" for number in true_w], "and 50.00")

# %%
w1, w2, w3, intercept = history3.parameters.values()
ax = plot_parameters({"w1": w1, "w2": w2, "w3": w3, "b": intercept})

# %% [markdown]
# How good are the predictions? Each point below is a sample; a perfect prediction is on the line.

# %% [markdown] lang="zh"
# 预测得有多好？下图中的每个点是一个样本；完全准确的预测落在直线上。

# %%
ax = plot_predictions(y3, [model3(sample).data for sample in X3])

# %% [markdown]
# ## Where the package does it
#
# - `fit` in `tinygrad_edu/train/fit.py`: `find_reason_to_stop` is the tolerance; `_take_step` is one update.
# - `half_sse` in `tinygrad_edu/losses.py`; `animate_line` in `tinygrad_edu/viz/animations.py`.

# %% [markdown] lang="zh"
# ## 包里的实现
#
# - {1}，在 {2} 里：{3} 就是容差；{4} 是一次更新。
# - {5}，在 {6} 里；{7}，在 {8} 里。

# %% [markdown]
# ## Exercises
#
# Put your code in place of the dots. `check` says whether the answer is right; `.hint()` behind it gives a hint, and
# another one each time. A solution is in the folded cell below each exercise.
#
# **1.** How large may the learning rate get before the descent explodes? Find the `largest` one to two digits, from
# 0.005 upwards.

# %% [markdown] lang="zh"
# ## 练习
#
# 把省略号换成你的代码。{1} 会告诉你答案对不对；在后面加上 {2} 会给出一个提示，每次再多给一个。
# 参考答案在每道练习下面折叠起来的单元格里。
#
# **{1}.** 学习率可以取到多大，下降还不会发散？从 {3} 往上找，求出最大的学习率 {2}，精确到两位有效数字。

# %%
# Your code here
largest = ...
tg.teach.check("2.1", largest)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
largest_learning_rate = tg.teach.exercise("2.1").solution()
display(largest_learning_rate)

largest = largest_learning_rate(X, y)
print(f"the largest learning rate is about {largest:.3f}")
tg.teach.check("2.1", largest)

# %% [markdown]
# **2.** The second derivative of the mean loss in $b_0$ is 1, and in $b_1$ it is the mean of $x_i^2$. In one dimension,
# steps grow if $\eta$ is more than 2 divided by the second derivative. Does that explain the answer to 1? What is
# missing? Write the limit as a function of the list `x`; it is tried on other lists, too.

# %% [markdown] lang="zh"
# **{1}.** 平均损失对 {2} 的二阶导数是 {3}，对 {4} 的二阶导数是 {5} 的均值。在一维情形下，如果 {6} 大于 {7} 除以二阶
# 导数，步子就会越来越大。这能解释第 {8} 题的答案吗？还缺什么？把这个界限写成列表 {9} 的函数；
# 检查时也会用别的列表来试。


# %%
# Your code here
def limit(x):
    return ...


tg.teach.check("2.2", limit)

# %% tags=["solution"] jupyter={"source_hidden": true, "outputs_hidden": true}
limit = tg.teach.exercise("2.2").solution()
display(limit)

mean_square = sum(xi * xi for xi in x) / len(x)
print(f"by the axes alone {2 / max(1, mean_square):.3f}; second derivative where it is steepest ", end="")
print(f"{2 / limit(x):.3f}: {limit(x):.3f}")
assert abs(largest - limit(x)) < 0.01
tg.teach.check("2.2", limit)

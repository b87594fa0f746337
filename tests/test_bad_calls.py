"""What people do wrong, all over the public surface: which error they get, with which words, and that nothing is lost.

A row is the code as somebody would type it, the type of the error, and words that its message must contain: the thing,
the value and the way out. It runs in a world of its own, whose numbers, gradients, states and files must afterwards be
what they were. Operations outside their domain stand in `test_ops.py`, damaged files in `test_fuzz_files.py`.
"""

import random
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner

import tinygrad_edu as tg
from tinygrad_edu import cli, data, nn, optim, train
from tinygrad_edu.cli.expressions import DomainError, ExpressionError
from tinygrad_edu.compiler import RecordingError
from tinygrad_edu.engine import Value
from tinygrad_edu.modes import inherited_modes
from tinygrad_edu.rules import OPS
from tinygrad_edu.train import DivergenceError

IMPORTS = """
import numpy as np
import tinygrad_edu as tg
from tinygrad_edu import Value, data, losses, nn, optim, train
from tinygrad_edu.cli import expressions
from tinygrad_edu.testing import grader
from tinygrad_edu.train import fit
from tinygrad_edu.viz import animations, plots
from tinygrad_edu.viz.flow import animate_graph
"""


class Refused(Exception):
    """The command ended with the exit code of an error, and this line."""


CALLS: dict[str, list[tuple[Any, ...]]] = {
    "values": [
        ("Value('3.5')", TypeError, "one real number", "str '3.5'", "float(text)"),
        ("Value(None)", TypeError, "one real number", "NoneType"),
        ("Value([1.0, 2.0])", TypeError, "list '[1.0, 2.0]'", "a Value for each number"),
        ("Value(np.zeros(3))", TypeError, "ndarray", "a Value for each number"),
        ("Value(1 + 2j)", TypeError, "complex"),
        ("Value(a)", TypeError, "use the Value itself, or its .data"),
        ("Value(10**400)", OverflowError, "too large for a float", "1.8e308"),
        ("Value(1.0, requires_grad=True)", TypeError, "requires_grad"),
        ("Value(1.0, ('a',))", TypeError, "the inputs of a node are Values", "'a'"),
        ("a + '3'", TypeError, "'Value' and 'str'"),
        ("None * a", TypeError, "'NoneType' and 'Value'"),
        ("a // 2", TypeError, "//"),
        ("a / 0", ZeroDivisionError, "div is not defined at 2.0, 0.0", "'a'"),
        ("b ** 0.5", ValueError, "power(0.5)", "-3.0", "'b'"),
        ("b.log()", ValueError, "log is not defined at -3.0", "'b'"),
        ("(a * 1000.0).exp()", OverflowError, "exp overflows at 2000.0"),
        ("(a - a).sqrt().backward()", ZeroDivisionError, "the derivative of sqrt is infinite at 0.0"),
        ("a[0]", TypeError, "'Value' object is not subscriptable"),
        ("import math; math.exp(a)", TypeError, "v.exp()", "v.data is the plain number"),
        ("float(a)", TypeError, "its gradient would be lost", "v.data"),
        ("np.array([a, b], dtype=float)", TypeError, "v.data is the plain number"),
        ("a < '3'", TypeError, "'<'", "'str'"),
        ("a.clamp(1.0, -1.0)", ValueError, "low <= high", "low=1.0", "high=-1.0"),
        ("a.leaky_relu('0.1')", TypeError, "str '0.1'"),
        ("a.foo", AttributeError, "foo"),
        ("a.backward(retain_graph=True)", TypeError, "backward()", "retain_graph"),
        ("a.grad.zero_()", AttributeError, "'float' object", "zero_"),
        ("a.detach().backward()", RuntimeError, "a constant has no graph", "detach() and no_grad() make constants"),
        ("with tg.no_grad():\n    y = a * b\ny.backward()", RuntimeError, "a constant has no graph", "no_grad()"),
        ("with tg.no_grad:\n    pass", TypeError, "context manager"),
        ("tg.no_grad(a)", TypeError, "no_grad()"),
        ("tg.tensor(3)", AttributeError, "tinygrad_edu", "tensor"),
        ("from tinygrad_edu import Tensor", ImportError, "Tensor"),
    ],
    "functions": [
        ("tg.exp('1')", TypeError, "str '1'", "float(text)"),
        ("tg.exp([1.0, 2.0])", TypeError, "list '[1.0, 2.0]'", "for each number"),
        ("tg.log(0)", ValueError, "log is not defined at 0.0"),
        ("tg.dot([a, b], [1.0])", ValueError, "dot", "2 and 1"),
        ("tg.dot(a, b)", TypeError, "dot([a, b], [c, d])", "Value"),
        ("tg.total(a)", TypeError, "total([a, b])", "Value"),
        ("tg.total({1.0: a})", TypeError, "total([a, b])", "dict"),
        ("tg.mean(3.0)", TypeError, "mean([a, b])", "float '3.0'"),
        ("tg.mean([])", ValueError, "mean needs at least one number"),
        ("tg.softmax(a)", TypeError, "softmax([a, b])", "Value"),
        ("tg.softmax([[1.0, 2.0]])", TypeError, "list '[1.0, 2.0]'"),
        ("tg.prod(['2'])", TypeError, "str '2'"),
        ("tg.maximum([1.0, 2.0], 3.0)", TypeError, "list '[1.0, 2.0]'"),
        ("tg.maximum(a, None)", TypeError, "NoneType"),
        ("tg.clamp(a, b, 1.0)", TypeError, "Value", "its .data"),
    ],
    "gradients": [
        ("tg.grad(a * b, 'a')", TypeError, "a Value y and a Value or several as xs", "str 'a'"),
        ("tg.grad(a * b, [a, 2.0])", TypeError, "float '2.0'"),
        ("tg.grad(lambda x: x * x, 2.0)", TypeError, "derivative(f)", "value_and_grad(f)"),
        ("tg.derivative(a * b)", TypeError, "f must be a function", "derivative(lambda x: x**2)", "Value"),
        ("tg.value_and_grad(3.0)", TypeError, "f must be a function", "float '3.0'"),
        ("tg.jacobian(None)", TypeError, "f must be a function", "NoneType"),
        ("tg.hessian('f')", TypeError, "f must be a function", "str 'f'"),
        ("tg.value_and_grad(lambda x: [x, x])(2.0)", TypeError, "one number, not list", "jacobian"),
        ("tg.value_and_grad(lambda x: None)(2.0)", TypeError, "one number, not NoneType"),
        ("tg.value_and_grad(lambda x: x)('2')", TypeError, "str '2'"),
        ("tg.derivative(lambda x: x, n=-1)", ValueError, "the order of a derivative", "-1"),
        ("tg.derivative(lambda x: x, 2.0)", ValueError, "the order of a derivative", "int", "2.0"),
        ("tg.jacobian(lambda x: x)(2.0)", TypeError, "a sequence of numbers", "value_and_grad"),
        ("tg.jacobian(lambda x: [x, '3'])(2.0)", TypeError, "each result", "str"),
        ("tg.hessian(lambda x, y: x)([1.0, 2.0])", TypeError, "list '[1.0, 2.0]'"),
        ("tg.hvp(lambda x, y: x * y, [1.0])(2.0, 3.0)", ValueError, "1 numbers", "2 arguments"),
        ("tg.hvp(lambda x: x * x, 1.0)(2.0)", TypeError, "the vector v must be a list", "float '1.0'"),
    ],
    "operations of one's own": [
        ("tg.define_op('exp', value, derivatives)", ValueError, "'exp'", "the table has that already"),
        ("tg.define_op('my op', value, derivatives)", ValueError, "'my op'", "could be a function's"),
        ("tg.define_op(3, value, derivatives)", ValueError, "3", "could be a function's"),
        ("tg.define_op('bad', 3, derivatives)", TypeError, "the value of 'bad'", "lambda m, x: x * x", "int '3'"),
        ("tg.define_op('bad', value, None)", TypeError, "the derivatives of 'bad'", "lambda m, y, x:", "NoneType"),
        ("op(lambda m, x: 'text', derivatives)(a)", TypeError, "the value of 'mine'", "str 'text'"),
        ("op(lambda m, x: None, derivatives)(a)", TypeError, "the value of 'mine'", "NoneType"),
        ("op(value, lambda m, y, x: 1.0)(a).backward()", TypeError, "'mine'", "a tuple of 1", "not 1.0"),
        ("op(value, lambda m, y, x: (1.0, 2.0))(a).backward()", TypeError, "a tuple of 1", "(1.0, 2.0)"),
        ("op(value, lambda m, y, x: (None,))(a).backward()", TypeError, "a derivative of 'mine'", "NoneType"),
        ("op(lambda m, x: m.exponent(x), derivatives)(a)", AttributeError, "no function 'exponent'"),
        ("op(value, derivatives)('3')", TypeError, "str '3'"),
    ],
    "models": [
        ("nn.Neuron(0)", ValueError, "nin must be at least 1", "not 0"),
        ("nn.Neuron('2')", TypeError, "nin must be an int", "'2'"),
        ("nn.Neuron(2, 'tanh')", ValueError, "nonlin must be True or False", "activation='tanh'"),
        ("nn.Neuron(2, activation='Relu')", ValueError, "no activation 'Relu'", "relu, tanh"),
        ("nn.Neuron(2, activation=['relu'])", ValueError, "no activation", "['relu']"),
        ("nn.Neuron(2, init='xaver')", ValueError, "no initialiser 'xaver'", "xavier"),
        ("nn.Neuron(2, rng=0)", TypeError, "random.Random(0)", "int '0'"),
        ("nn.Layer(2, [3])", TypeError, "nout must be an int", "[3]"),
        ("nn.Layer(2, 0)", ValueError, "nout must be at least 1, not 0"),
        ("nn.MLP(2, [2.5, 1])", TypeError, "nout must be an int", "float '2.5'"),
        ("nn.Linear(2, 1, bias=0.5)", ValueError, "bias must be True or False, not 0.5", "neuron.b.data"),
        ("nn.Linear(2, 1, False)", ValueError, "no initialiser 'False'"),
        ("nn.MLP(2, 3)", TypeError, "MLP(2, [16, 1])", "not 3"),
        ("nn.MLP(2, 16, 16, 1)", TypeError, "MLP(2, [16, 1])", "not 16"),
        ("nn.MLP(2, [])", ValueError, "at least one layer", "MLP(2, [16, 1])"),
        ("nn.MLP(2, [3, 1], output='softmax')", ValueError, "no activation 'softmax'", "pass a function"),
        ("nn.Sequential(zeros, 'relu')", TypeError, "modules and functions", "str 'relu'"),
        ("nn.Sequential([zeros])", TypeError, "modules and functions", "list"),
        ("nn.Sequential(zeros, zeros)([1.0, 2.0])", ValueError, "takes 2 inputs", "not 3"),
        ("nn.Module()([1.0])", NotImplementedError, "__call__(self, x)", "forward(self, x)"),
        ("model([1.0])", ValueError, "takes 2 inputs a sample, not 1"),
        ("model(np.zeros(3))", ValueError, "takes 2 inputs a sample, not 3"),
        ("model(1.0, 2.0)", TypeError, "positional arguments"),
        ("model(None)", TypeError, "NoneType"),
        ("model('ab')", TypeError, "str 'a'"),
        ("model([1.0, None])", TypeError, "NoneType"),
        ("model({'x': 1.0, 'y': 2.0})", TypeError, "a list of numbers, in order", "dict"),
        ("model({1.0, 2.0})", TypeError, "in order", "set"),
        ("model([[1.0, 2.0], [3.0, 4.0]])", TypeError, "one sample at a time", "[model(x) for x in X]"),
        ("model(np.zeros((3, 2)))", TypeError, "one sample at a time", "[model(x) for x in X]"),
        ("model.load_state_dict([1.0])", TypeError, "a dict of numbers, as state_dict() gives it", "list"),
        ("model.load_state_dict({})", ValueError, "this MLP", "13 missing", "layers[0].neurons[0].b"),
        ("model.load_state_dict(linear.state_dict())", ValueError, "13 missing", "2 unknown", "'neurons[0].b'"),
        ("model.load_state_dict(dict.fromkeys(model.state_dict(), 'x'))", TypeError, "layers[0].", "str 'x'"),
        ("model.load_state_dict(dict.fromkeys(model.state_dict(), 10**400))", OverflowError, "layers[0].", "too large"),
        ("model.load('nowhere.json')", FileNotFoundError, "nowhere.json"),
        ("model.load(file('{'))", ValueError, "not a parameters file", "not valid JSON"),
        ("model.load(file('{}'))", ValueError, "not a parameters file", "does not say that it is one"),
        ("model.load(None)", TypeError, "a text or a Path", "NoneType"),
        ("model.load(0)", TypeError, "a text or a Path", "int '0'"),
        ("model.save('nowhere/model.json')", FileNotFoundError, "nowhere/model.json"),
        ("model.save(None)", TypeError, "a text or a Path", "NoneType"),
        ("model.save('')", FileNotFoundError, "the name of the file is empty"),
        ("model.save('.')", IsADirectoryError, "'.'"),
    ],
    "losses": [
        ("losses.mse([a, b], [1.0])", ValueError, "(2,)", "(1,)", "one target for each prediction"),
        ("losses.mse([[a], [b]], [1.0, 2.0])", ValueError, "(2, 1)", "(2,)"),
        ("losses.mse([], [])", ValueError, "predictions are empty"),
        ("losses.mse([a, [b]], [1.0, 2.0])", ValueError, "predictions are ragged", "() and (1,)"),
        ("losses.mse([a, b], ['1', '2'])", TypeError, "str '1'", "float(text)"),
        ("losses.mse(model, Y)", TypeError, "MLP"),
        ("losses.mse({1.0: a}, [1.0])", TypeError, "predictions must be numbers or lists of them", "dict"),
        ("losses.mse([a, b], {1.0, 2.0})", TypeError, "targets must be numbers or lists of them", "set"),
        ("losses.mse([a, b], [1.0, 2.0], 'sum')", TypeError, "positional arguments"),
        ("losses.mse([a], [1.0], reduction='avg')", ValueError, "'avg'", "choose from mean, sum, none"),
        ("losses.huber([a], [1.0], delta=0)", ValueError, "delta must lie in (0, ∞]", "not be 0.0"),
        ("losses.huber([a], [1.0], delta='1')", TypeError, "delta must be", "str '1'"),
        ("losses.hinge([a, b], [0, 1])", ValueError, "-1 or +1", "0.0", "sample 0"),
        ("losses.hinge([a], [1], margin=None)", TypeError, "margin must be", "NoneType"),
        ("losses.bce([a], [1])", ValueError, "between 0 and 1", "2.0", "bce_with_logits"),
        ("losses.bce([0.5], [float('nan')])", ValueError, "targets between 0 and 1", "nan"),
        ("losses.bce_with_logits([a, b], [-1, 1])", ValueError, "between 0 and 1", "-1.0"),
        ("losses.cross_entropy([[a, b]], [2])", ValueError, "a label from the ints 0 to 1", "not 2", "sample 0"),
        ("losses.cross_entropy([[a, b]], ['cat'])", ValueError, "a label from the ints", "'cat'"),
        ("losses.cross_entropy([[a, b]], [0.0])", ValueError, "a label from the ints", "0.0"),
        ("losses.cross_entropy([[a, b]], [[1, 0]])", ValueError, "one label for each sample"),
        ("losses.by_name('MSE')", ValueError, "'MSE'", "choose from sse, mse"),
        ("losses.by_name(['mse'])", ValueError, "['mse']", "choose from"),
    ],
    "optimizers": [
        ("optim.SGD(model, lr=0.1)", TypeError, "model.parameters()", "not MLP"),
        ("optim.SGD(model.parameters, lr=0.1)", TypeError, "model.parameters()", "method"),
        ("optim.SGD([], lr=0.1)", ValueError, "at least one parameter"),
        ("optim.SGD([1.0], lr=0.1)", TypeError, "parameter 0 must be a Value", "float '1.0'"),
        ("optim.SGD(model.state_dict(), lr=0.1)", TypeError, "model.named_parameters()", "str"),
        ("optim.SGD([a, a], lr=0.1)", ValueError, "parameter 'a' is given twice"),
        ("optim.SGD([a * b], lr=0.1)", ValueError, "parameter 0 is computed, by 'mul'", "leaves only"),
        ("optim.SGD([a], lr='0.1')", TypeError, "lr must be one real number", "str '0.1'", "float(text)"),
        ("optim.SGD([a], lr=-0.1)", ValueError, "lr must lie in [0, ∞)", "-0.1"),
        ("optim.SGD([a], lr=None)", TypeError, "lr must be", "NoneType"),
        ("optim.SGD([a], lr=float('nan'))", ValueError, "lr must lie in", "nan"),
        ("optim.SGD([a], learning_rate=0.1)", TypeError, "learning_rate"),
        ("optim.SGD([a], 0.1, momentum=1.0)", ValueError, "momentum must lie in [0, 1)", "1.0"),
        ("optim.SGD([a], 0.1, nesterov=True)", ValueError, "nesterov", "momentum must be above 0"),
        ("optim.SGD([a], 0.1, weight_decay=-1)", ValueError, "weight_decay must lie in [0, ∞)"),
        ("optim.Adam([a], betas=0.9)", ValueError, "betas must be two numbers", "(0.9, 0.999)", "not 0.9"),
        ("optim.Adam([a], betas=(0.9, 1.0))", ValueError, "betas[1] must lie in [0, 1)", "1.0"),
        ("optim.Adam([a], eps='tiny')", TypeError, "eps must be", "str 'tiny'"),
        ("optim.Adam([a], eps=0.0)", ValueError, "eps must lie in (0, ∞)"),
        ("optim.RMSProp([a], alpha=1.5)", ValueError, "alpha must lie in [0, 1)", "1.5"),
        ("optim.AdamW([a], amsgrad=True)", TypeError, "amsgrad"),
        ("optim.Optimizer([a], lr=0.1).step()", NotImplementedError, "must define update"),
        ("sgd.lr = -1", ValueError, "lr must lie in [0, ∞)", "-1.0"),
        ("optim.SGD([a], lambda t: 'x').step()", TypeError, "the learning rate of update 0", "str 'x'"),
        ("c = Value(1.0, label='c'); c.grad = [1.0]; optim.SGD([c]).step()", TypeError, "gradient", "'c'", "list"),
        ("c = Value(1.0, label='c'); c.data = '1'; optim.SGD([c]).step()", TypeError, "parameter 'c'", "str '1'"),
        ("c = Value(1.0); c.grad = float('nan'); optim.SGD([c]).step()", FloatingPointError, "parameter 0", "is nan"),
        ("sgd.zero_grad(set_to_none=True)", TypeError, "set_to_none"),
        ("sgd.load_state_dict(None)", ValueError, "as state_dict() makes it"),
        ("sgd.load_state_dict(optim.Adam([a]).state_dict())", ValueError, "'Adam'", "'SGD'"),
        ("sgd.load_state_dict({**sgd.state_dict(), 'steps': -1})", ValueError, "steps", "not -1"),
        ("sgd.load_state_dict({**sgd.state_dict(), 'buffers': {'v': [0.0]}})", ValueError, "'v'", "not a list"),
        (
            "sgd.load_state_dict({**sgd.state_dict(), 'buffers': {'v': {'0': 0.0, 'neurons[0].b': 0.0}}})",
            ValueError,
            *("'v'", "1 missing ['neurons[0].w[0]']", "1 unknown ['0']"),
        ),
        (
            "sgd.load_state_dict({**sgd.state_dict(), 'buffers': {'v': dict.fromkeys(sgd._keys(), 'x')}})",
            ValueError,
            *("'v'", "a finite number, not 'x'"),
        ),
        (
            "optim.AdaGrad([a]).load_state_dict({'optimizer': 'AdaGrad', 'steps': 1, 'buffers': {'s': {'a': -1}}})",
            ValueError,
            *("'s'", "of 0 or more", "not -1.0"),
        ),
        ("optim.clip_grad_norm(model, 1.0)", TypeError, "model.parameters()", "not MLP"),
        ("optim.clip_grad_norm([a], '1')", TypeError, "max_norm must be", "str '1'"),
        ("optim.clip_grad_norm([a], -1)", ValueError, "max_norm must lie in [0, ∞]", "-1.0"),
        ("optim.by_name('Adam')", ValueError, "'Adam'", "adam, adamw"),
        ("optim.step_decay(0.1, every=2.5)", TypeError, "every must be an int", "2.5"),
        ("optim.cosine('0.1', steps=9)", TypeError, "lr must be", "str '0.1'"),
        ("optim.linear(0.1, steps='10')", TypeError, "steps must be an int", "'10'"),
        ("optim.warmup(0.1, steps=4, start_factor=0.0)", ValueError, "start_factor must lie in (0, 1]"),
        ("optim.exponential(0.1, 0.0)", ValueError, "factor must lie in (0, ∞)"),
    ],
    "training": [
        ("fit(linear, X, Y[:2])", ValueError, "X and y must have the same length, not 3 and 2"),
        ("fit(linear, [], [])", ValueError, "X and y must not be empty", "at least one"),
        ("fit(linear, None, None)", TypeError, "X must be a list", "NoneType"),
        ("fit(linear, X, 3.0)", TypeError, "y must be a list", "float '3.0'"),
        ("fit(linear, (x for x in X), Y)", TypeError, "X must be a list", "generator", "list(…) makes one"),
        ("fit(linear, zip(X, Y), Y)", TypeError, "X must be a list", "zip"),
        ("fit(linear, {'x': [0.0]}, [1.0])", TypeError, "X must be a list", "dict"),
        ("fit(linear, {(0.0,), (1.0,)}, [1.0, 2.0])", TypeError, "X must be a list", "set"),
        ("fit(linear.parameters(), X, Y)", TypeError, "the model must be a function", "nn.Linear(1)", "list"),
        ("fit(None, X, Y)", TypeError, "the model must be a function", "NoneType"),
        ("fit(nn.Linear, X, Y)", TypeError, "the class Linear itself", "Linear(1)"),
        ("fit(lambda x: x[0] * a, X, Y)", TypeError, "no parameters()", "SGD([w])"),
        ("fit(model, X, Y)", ValueError, "takes 2 inputs a sample, not 1"),
        ("fit(linear, X, Y, epochs=-1)", ValueError, "epochs must be at least 0", "-1"),
        ("fit(linear, X, Y, epochs='10')", TypeError, "epochs must be an int", "'10'"),
        ("fit(linear, X, Y, epochs=1.5)", TypeError, "epochs must be an int", "1.5"),
        ("fit(linear, X, Y, batch_size=0)", ValueError, "batch_size must be at least 1", "not 0"),
        ("fit(linear, X, Y, batch_size=2.0)", TypeError, "batch_size must be an int", "2.0"),
        ("fit(linear, X, Y, lr=0.1)", TypeError, "lr"),
        ("fit(linear, X, Y, optimizer='sgd')", TypeError, "optim.SGD(model.parameters(), lr=0.1)", "str 'sgd'"),
        ("fit(linear, X, Y, optimizer=optim.SGD)", TypeError, "optim.SGD(model.parameters(), lr=0.1)", "type"),
        ("fit(linear, X, Y, optimizer=optim.SGD([a]))", ValueError, "none of the model's", "model.parameters()"),
        ("fit(linear, X, Y, loss='mse')", TypeError, "the loss must be a function", "losses.mse", "str 'mse'"),
        ("fit(linear, X, Y, loss=losses.mse(a, 1.0))", TypeError, "the loss must be a function", "Value"),
        ("fit(linear, X, Y, loss=lambda p, t: p)", TypeError, "one Value", "list"),
        ("fit(linear, X, Y, loss=lambda p, t: 3.0)", TypeError, "one Value of the model's parameters", "float"),
        ("fit(linear, X, Y, loss=losses.cross_entropy)", ValueError, "k logits"),
        ("fit(linear, X, [0, 1, 2], loss=losses.bce_with_logits)", ValueError, "between 0 and 1", "sample 2"),
        ("fit(linear, X, ['1', '2', '3'])", TypeError, "str '1'"),
        ("fit(linear, [['0'], ['1'], ['2']], Y)", TypeError, "str '0'"),
        ("fit(linear, X, [[1.0, 2.0]] * 3)", ValueError, "(3,)", "(3, 2)"),
        (
            "fit(linear, [[0.0], [float('nan')], [2.0]], Y)",
            DivergenceError,
            "the loss is nan",
            "Leave out the sample [nan]",
        ),
        ("fit(linear, X, [1.0, float('inf'), 2.0])", DivergenceError, "the loss is inf", "Leave out the target inf"),
        ("fit(linear, X, [1.0, float('nan'), 2.0], compile=True)", DivergenceError, "Leave out the target nan"),
        ("fit(linear, X, Y, validation=0.2)", TypeError, "validation is a pair", "(X, y)"),
        (
            "fit(linear, X, Y, validation=(X, Y[:1]))",
            ValueError,
            "validation X and validation y must have the same length, not 3 and 1",
        ),
        ("fit(linear, X, Y, callbacks=print)", TypeError, "callbacks is a list of functions", "[print]"),
        ("fit(linear, X, Y, callbacks=[None])", TypeError, "a callback must be a function", "NoneType"),
        ("fit(lambda x: x[0] * a, X, Y, optimizer=optim.SGD([a]), checkpoint='run.json')", TypeError, "a Module"),
        ("fit(linear, X, Y, tol='0.1')", TypeError, "tol must be", "str '0.1'"),
        ("fit(linear, X, Y, target_loss=[0.1])", TypeError, "target_loss must be", "list"),
        ("fit(linear, X, Y, seed=None, shuffle=True)", TypeError, "seed must be an int", "NoneType"),
        ("fit(linear, X, Y, checkpoint=1)", TypeError, "a text or a Path", "int '1'"),
        ("fit(linear, X, Y, checkpoint='nowhere/run.json')", FileNotFoundError, "nowhere/run.json"),
        (
            "fit(linear, X, Y, checkpoint='run.json', checkpoint_every=0)",
            ValueError,
            "checkpoint_every must be at least 1",
            "0",
        ),
        ("fit(linear, X, Y, checkpoint=file('{}'))", ValueError, "not a checkpoint file"),
        (
            "fit(linear, X, Y, checkpoint='kept.json')",
            ValueError,
            "its optimizer is 'Adam'",
            "remove it to start afresh",
        ),
        ("fit(linear, [[0.0], [1.0, 2.0]], Y[:2], compile=True)", ValueError, "samples of one shape"),
        ("train.evaluate(linear, X, Y[:1])", ValueError, "X and y must have the same length, not 3 and 1"),
        ("train.evaluate(linear, X, Y, loss=lambda p, t: 'x')", TypeError, "the loss must be", "str 'x'"),
        ("train.History().to_csv('nowhere/history.csv')", FileNotFoundError, "nowhere/history.csv"),
        ("train.History().to_csv(None)", TypeError, "a text or a Path", "NoneType"),
    ],
    "data": [
        ("data.line('20')", TypeError, "n must be an int", "str '20'"),
        ("data.line(0)", ValueError, "n must be at least 1", "0"),
        ("data.line(5, noise='0.1')", TypeError, "noise must be", "str '0.1'"),
        ("data.moons(1)", ValueError, "n must be at least 2", "1"),
        ("data.spiral(0)", ValueError, "n_per_class must be at least 1"),
        ("data.moons(10, noise=-1)", ValueError, "noise must lie in [0, ∞)", "-1.0"),
        ("data.moons(10, labels=(0, 1, 2))", ValueError, "two labels", "(0, 1, 2)"),
        ("data.spiral(10.5)", TypeError, "n_per_class must be an int", "float '10.5'"),
        ("data.spiral(10, classes=1)", ValueError, "classes must be at least 2"),
        ("data.split(X, Y, 0.2)", TypeError, "sequence 2 must be a list", "float '0.2'"),
        ("data.split(X, Y[:2])", ValueError, "must have the same length, not 3 and 2"),
        ("data.split(X, test='0.2')", TypeError, "test must be", "str '0.2'"),
        ("data.split(X, test=2)", ValueError, "test must lie in (0, 1)", "2.0"),
        ("data.split(X, test=float('nan'))", ValueError, "test must lie in (0, 1)", "nan"),
        ("data.split(X, test=0.1)", ValueError, "a test share of 0.1 leaves one part of 3 items empty"),
        ("data.split(X, test=0.4, stratify=[0, 1, 2])", ValueError, "leaves one part of 3 items empty"),
        ("data.split(X, stratify=[0])", ValueError, "sequence 0 and stratify must have the same length, not 3 and 1"),
        ("data.split()", ValueError, "split(X, y)"),
        ("data.split([])", ValueError, "sequence 0 must not be empty"),
        ("data.batches(X, Y[:1])", ValueError, "X and y must have the same length, not 3 and 1"),
        ("data.batches([], [])", ValueError, "X and y must not be empty"),
        ("list(data.batches(X, Y, 0))", ValueError, "size must be at least 1"),
        ("list(data.batches(X, Y, 1.5))", TypeError, "size must be an int", "1.5"),
        ("list(data.batches(X, Y, 2, 3))", TypeError, "random.Random(0)", "int '3'"),
        ("data.r2([1.0, 2.0], ['1', '2'])", TypeError, "str '1'"),
        ("data.r2(Y, Y[:1])", ValueError, "y and predictions must have the same length"),
        ("data.r2([2.0, 2.0], [1.0, 2.0])", ValueError, "all equal, here 2 times 2.0"),
        ("data.accuracy([], [])", ValueError, "must not be empty"),
        ("data.accuracy([1], [1, 2])", ValueError, "must have the same length, not 1 and 2"),
        ("data.Table([1, 2])", TypeError, "a dict of lists by their names", "a list"),
        ("data.Table({'x': 3})", TypeError, "column 'x' must be a list of cells", "3"),
        ("data.Table({'x': 'abc'})", TypeError, "column 'x' must be a list of cells", "'abc'"),
        ("data.Table({1: [1.0]})", TypeError, "a text as its name", "1"),
        ("data.Table({'x': [1.0], 'y': []})", ValueError, "equally long", "'x': 1, 'y': 0"),
        ("data.Table({'x': [1.0, 'a']})", ValueError, "column 'x' mixes numbers and texts"),
        ("data.Table({'x': [float('nan')]})", ValueError, "column 'x' holds nan", "None"),
        ("data.Table({'x': [[1.0]]})", TypeError, "a cell of column 'x'", "list"),
        ("table['weight']", ValueError, "no column 'weight'", "'mass', 'species'"),
        ("table['mass', 'species']", TypeError, "a text as its name", "select('a', 'b')"),
        ("table.select(['mass'])", TypeError, "select('a', 'b')"),
        ("table.take([7])", IndexError, "no row 7", "a table of 3"),
        ("table.take([True, False, True])", TypeError, "by its number", "True"),
        ("table.to_csv('nowhere/table.csv')", FileNotFoundError, "nowhere/table.csv"),
        ("data.read_csv('nowhere.csv')", FileNotFoundError, "nowhere.csv"),
        ("data.read_csv(0)", TypeError, "a text or a Path", "int '0'"),
        ("data.read_csv(file(''))", ValueError, "is empty", "name the columns"),
        ("data.read_csv(file('a,b\\n1\\n'))", ValueError, "line 2", "expected 2 cells", "not 1"),
        ("data.read_csv(file('a,a\\n1,2\\n'))", ValueError, "two columns are called 'a'"),
        (
            "data.read_csv(file('a,b\\n1,2\\nx,3\\n'))",
            ValueError,
            "line 3",
            "column 'a'",
            "'x'",
            "read the column as text",
        ),
        (
            "data.read_csv(file('a^b\\n1^2\\n'), columns=['a'])",
            ValueError,
            "no column 'a'",
            "--sep",
        ),
        ("data.read_csv(file('a\\n1\\n'), columns='a')", TypeError, "a list of names", "['a']"),
        ("data.read_csv(file('a\\n1\\n'), types={'a': int})", TypeError, "column 'a' is float or str"),
        ("data.read_csv(file('a\\n1\\n'), sep=';;')", ValueError, "separator"),
        ("data.Standardizer(0.0, 0.0)", ValueError, "the scale", "greater than 0"),
        ("data.Standardizer.fit(['1'])", TypeError, "str '1'"),
        ("data.Standardizer(0.0, 1.0).transform(['1'])", ValueError, "'1' is not a number"),
        ("data.Categories([1, 2])", ValueError, "categories must be texts", "not 1"),
        ("data.Categories(['a', 'b']).transform(['c'])", ValueError, "'c'", "seen in training", "'a', 'b'"),
        ("data.Categories(['a', 'b']).transform([['c']])", ValueError, "a list is not one of the categories"),
        ("data.Categories(['a', 'b']).inverse([0.5])", ValueError, "no category number 0.5"),
        ("data.Features({'a': 3})", TypeError, "column 'a'", "a Standardizer or Categories", "3"),
        ("data.Features.fit({'x': [1.0]})", TypeError, "columns of a Table", "a dict"),
        ("data.Features.fit(table).transform({'mass': [1.0]})", TypeError, "columns of a Table", "a dict"),
        ("data.Features.fit(table).transform(table.select('mass'))", ValueError, "no column 'species'"),
        ("data.Features.from_dict({'columns': [{'name': 'x'}]})", ValueError, "a mean and a scale"),
        ("data.Target.fit(table, 'weight')", ValueError, "no column 'weight'"),
        ("data.Target.fit(table, 'mass').transform(table)", ValueError, "row 1", "missing", "drop_missing"),
        ("data.Target.fit(data.Table({'s': ['a', 'a']}), 's')", ValueError, "its only class is 'a'", "two or more"),
        ("tg.load(file('{}'))", ValueError, "not a model file"),
        ("tg.load('nowhere.json')", FileNotFoundError, "nowhere.json"),
        ("tg.load(0)", TypeError, "a text or a Path", "int '0'"),
    ],
    "pictures": [
        ("tg.draw(3.0)", TypeError, "a Value, or several in a list", "float '3.0'"),
        ("tg.draw('a*b')", TypeError, "a Value, or several in a list", "str"),
        ("tg.draw(model)", TypeError, "a Value, or several in a list", "MLP"),
        ("tg.draw([])", ValueError, "the list is empty"),
        ("tg.draw(a * b, rankdir='RL')", ValueError, "'LR'", "'TB'", "'RL'"),
        ("tg.draw(a * b, focus=Value(3.0))", ValueError, "focus is a node of the graph"),
        ("tg.draw(a * b, depth=-1)", ValueError, "depth", "0 or more", "-1"),
        ("tg.draw(a * b, parameters=['a'])", TypeError, "parameters are Values", "str 'a'"),
        ("tg.draw(a * b, parameters=a)", TypeError, "parameters are Values in a list", "[w, b]", "Value"),
        ("tg.draw(a * b, max_nodes='many')", TypeError, "max_nodes is an int", "str 'many'"),
        ("tg.draw(a * b).save('graph.jpeg')", ValueError, "graph.jpeg", ".svg, .png"),
        ("tg.draw(a * b).save('nowhere/graph.svg')", FileNotFoundError, "nowhere/graph.svg"),
        ("tg.draw_dot(a * b, rankdir='UP')", ValueError, "'LR'", "'UP'"),
        ("tg.draw_dot(model)", TypeError, "one Value", "MLP"),
        ("tg.trace([a])", TypeError, "one Value", "list"),
        ("tg.explore('a*b', 'page.html')", TypeError, "one Value", "str"),
        ("tg.explore(a * b, 'page.png')", ValueError, "page.png", ".html"),
        ("tg.explore(a * b, 'page.html', ['a'])", TypeError, "parameters are Values", "str 'a'"),
        ("tg.explore(a * b, 'page.html', a)", TypeError, "parameters are Values in a list", "[w, b]"),
        ("plots.plot_loss([1.0, 2.0])", TypeError, "a history", "fit(…)", "list"),
        ("plots.plot_loss(train.History())", ValueError, "no epoch has been run"),
        ("plots.plot_loss(history, ax=3)", TypeError, "plt.subplots()", "int '3'"),
        ("plots.plot_loss(history, scale='logarithmic')", ValueError, "'linear', 'log' or 'log2'", "'logarithmic'"),
        ("plots.plot_loss(history, against='time')", ValueError, "'epochs', 'updates' or 'seconds'", "'time'"),
        ("plots.plot_parameters(history)", ValueError, "record_parameters=True"),
        ("plots.plot_parameters(3)", TypeError, "a history", "int '3'"),
        ("plots.plot_fit([1.0], [1.0, 2.0], [1.0])", ValueError, "1 of x, 2 of y"),
        ("plots.plot_fit(1.0, 2.0, 3.0)", TypeError, "x must be a list", "float '1.0'"),
        ("plots.plot_predictions([1.0], ['a'])", TypeError, "str 'a'"),
        ("plots.plot_confusion([0, 1], [0, 2], ['a', 'b'])", ValueError, "a number from 0 to 1", "not 2"),
        ("plots.plot_boundary(model, X, Y)", ValueError, "two features", "sample 0", "[0.0]"),
        ("plots.plot_boundary(model, X2, [0, 1], resolution=2.5)", ValueError, "resolution", "2.5"),
        ("plots.plot_boundary(model, X2, [0, 1], threshold='0')", TypeError, "threshold must be", "str '0'"),
        ("plots.plot_surface(a * b, a, a)", ValueError, "the same one"),
        ("plots.plot_derivative(tg.log, (-1, 1))", TypeError, "plt.subplots()", "tuple"),
        ("plots.plot_numeric_gradient(3, 1.0)", TypeError, "f must be a function", "int '3'"),
        ("plots.save(3, 'plot.svg')", TypeError, "Axes", "int '3'"),
        ("plots.save(plots.plot_loss(history), 'plot.bmp')", ValueError, "plot.bmp", ".svg or .png"),
        ("animations.animate_fit(linear, X, Y, history)", ValueError, "record_parameters=True"),
        ("animate_graph(3)", TypeError, "one Value", "int"),
        ("animate_graph(a * b, seconds='1')", TypeError, "seconds must be", "str '1'"),
        ("animate_graph(a * b).save('graph.mp4')", ValueError, "graph.mp4", ".gif, .png or .html"),
    ],
    "compilation": [
        ("tg.compile(a * b)", TypeError, "a function of Values", "Value"),
        ("tg.record(a * b, 1.0)", TypeError, "f must be a function", "record(lambda x: x * x, 2.0)"),
        ("tg.compile(lambda x: x if x > 0 else -x)(1.0)", RecordingError, "compares Values", "maximum(a, b)"),
        ("tg.compile(lambda x: x.data)(1.0)", RecordingError, "looks at the .data", "line 1"),
        ("tg.compile(lambda x: None)(1.0)", TypeError, "must return Values", "NoneType"),
        ("tg.compile(lambda x, y: x * y)(np.zeros(3), np.zeros(2))", ValueError, "(3,)", "(2,)"),
        ("tg.compile(lambda x: tg.log(x))(np.array([1.0, -1.0]))", ValueError, "log", "-1.0", "sample 1"),
        ("tg.compile(lambda x: [x, x]).value_and_grad(1.0)", TypeError, "returns 2 numbers", "total"),
        ("tg.compile(lambda x: x)(np.array(['a']))", TypeError, "numbers and arrays of them"),
        ("tg.compile(model)([1.0])", ValueError, "takes 2 inputs"),
        ("tg.record(lambda x: x * x, 1.0).source('perl')", ValueError, "numpy, jax, python", "'perl'"),
        ("tg.record(lambda x: x * x, 1.0).tape.replay(tg.rules.FLOATS)", ValueError, "takes 1 numbers, not 0"),
    ],
    "expressions": [
        ("expressions.parse('', {})", ExpressionError, "empty", "tanh(w*x + b)"),
        ("expressions.parse('a +', {'a': 1.0})", ExpressionError, "column 4"),
        ("expressions.parse('a + c', {'a': 1.0})", ExpressionError, "column 5", "c=1.0"),
        ("expressions.parse('a', {'a': 1.0, 'b': 2.0})", ExpressionError, "b has a number, but no place"),
        ("expressions.parse('a ^ 2', {'a': 1.0})", ExpressionError, "column 3", "**"),
        ("expressions.parse('foo(a)', {'a': 1.0})", ExpressionError, "no function foo", "tanh"),
        ("expressions.parse('a.data', {'a': 1.0})", ExpressionError, "a dot after a name"),
        ("expressions.parse('__import__(1)', {})", ExpressionError, "no function __import__"),
        ("expressions.parse('a / 0', {'a': 1.0})", DomainError, "column 3", "div is not defined"),
        ("expressions.parse('1e999', {})", ExpressionError, "column 1", "too large for a float"),
        ("expressions.parse(3, {})", TypeError, "a text and a dict", "not 3"),
        ("expressions.parse('a', None)", TypeError, "a text and a dict", "None"),
        ("expressions.parse_assignments(['x'])", ExpressionError, "name=number", "x=2.5"),
        ("expressions.parse_assignments(['x=y'])", ExpressionError, '"y" is not a number'),
        ("expressions.parse_assignments(['x=1', 'x=2'])", ExpressionError, "x has a number already, 1.0"),
    ],
    "trust": [
        ("tg.testing.gradcheck(a * b, a)", TypeError, "f must be a function", "gradcheck(lambda x: x * x, 2.0)"),
        ("tg.testing.gradcheck(lambda x: x * x, '2')", TypeError, "one real number", "str '2'"),
        ("tg.testing.gradcheck(lambda x: x * x, [1.0, 2.0])", TypeError, "list '[1.0, 2.0]'"),
        ("tg.testing.gradcheck(lambda x: x * x, a * b)", TypeError, "input 0", "pass a plain number or a leaf"),
        ("tg.testing.gradcheck(lambda x: [x, x], 1.0)", TypeError, "returns one number, not list"),
        ("tg.testing.gradcheck(lambda x: x * x, 1.0, order=0)", ValueError, "order", "1 or more", "not 0"),
        ("tg.testing.assert_gradients(3, 1.0)", TypeError, "f must be a function", "int '3'"),
        ("tg.testing.grade(a)", TypeError, "the grader examines a class", "Value"),
        ("tg.testing.grade(Value, only=3)", TypeError, "only must be names of concepts", "['order']", "int '3'"),
        ("tg.testing.grade(Value, skip=[None])", TypeError, "skip must be names of concepts", "NoneType"),
        ("grader.grade_file(None)", TypeError, "the name of a file must be a text or a Path", "NoneType"),
        ("grader.grade_file('nowhere.py')", FileNotFoundError, "there is no file 'nowhere.py' to grade"),
        ("grader.grade_file(file(''), seconds='3')", TypeError, "seconds must be one real number", "str '3'", "float("),
        ("grader.grade_file(file(''), seconds=1e10)", ValueError, "seconds", "at most 86400", "not 1e+10"),
        ("grader.grade_file(file(''), seed=1.5)", TypeError, "seed must be an int", "float '1.5'"),
        ("grader.grade_file(file(''), Value)", TypeError, "class_name must be the name of the class", "'Value'"),
        ("grader.grade_file(file(''), sandbox=None)", ValueError, "the sandbox is one of auto, none", "None"),
        ("grader.examine('order', Value)", TypeError, "a concept, one of CONCEPTS", "str 'order'", "grade takes names"),
        ("grader.examine(grader.CONCEPTS[0], 3)", TypeError, "the grader examines a class", "int"),
        ("grader.examine(grader.CONCEPTS[0], Value, seconds=0)", ValueError, "seconds", "more than 0", "not 0"),
        ("grader.suite(Value, only=[3])", TypeError, "only must be names of concepts", "int '3'"),
        ("tg.testing.strategies.expressions(ops=[])", ValueError, "at least one operation"),
        ("tg.testing.strategies.expressions(ops=['foo'])", ValueError, "no operation is called 'foo'", "tanh"),
        (
            "tg.testing.strategies.values(min_value=2.0, max_value=1.0)",
            ValueError,
            "the lower one first",
            "2.0 and 1.0",
        ),
        ("with tg.testing.detect_anomaly:\n    pass", TypeError, "context manager"),
    ],
    "the command": [
        ("command('fly')", Refused, "'fly'", "--help"),
        ("command('fit', 'nowhere.csv', '--target', 'y')", Refused, "nowhere.csv", "does not exist"),
        ("command('fit', file('x,y\\n1,2\\n'))", Refused, "--target"),
        ("command('fit', file('x,y\\n1,2\\n'), '--target', 'z')", Refused, "no column 'z'", "'x', 'y'"),
        ("command('fit', file('x,y\\n1,2\\n'), '--target', 'y')", Refused, "at least 3 rows", "not 1"),
        ("command('fit', file('x,y\\n1,2\\n'), '--target', 'y', '--epochs', '0')", Refused, "--epochs", "0"),
        ("command('fit', file('x,y\\n1,2\\n'), '--target', 'y', '--lr', 'fast')", Refused, "--lr", "'fast'"),
        ("command('fit', file('x,y\\n1,2\\n'), '--target', 'y', '--hidden', '0')", Refused, "widths from 1", "'none'"),
        ("command('predict', file('{}'), file('x\\n1\\n'))", Refused, "not a model file"),
        ("command('draw', 'a *', 'a=1')", Refused, "column 4"),
        ("command('draw', 'a', 'a=1', '-o', 'graph.bmp')", Refused, "graph.bmp", ".svg"),
        ("command('explore', 'a*b', 'a=1')", Refused, "b has no number", "b=1.0"),
        ("command('explore', 'a', 'a=1', '--parameters', 'b')", Refused, "'b'", "no such name"),
        ("command('animate', 'a', 'a=1', '--seconds', '0')", Refused, "--seconds"),
        ("command('check', 'a*b', 'a=1')", Refused, "b has no number", "b=1.0"),
        ("command('grade', 'nowhere.py')", Refused, "nowhere.py", "does not exist"),
    ],
}


SAMPLES, TARGETS = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]


@cache
def run() -> tuple[train.History, bytes]:
    """The history of a run, and its checkpoint. Every row gets copies."""
    model = nn.Linear(1)
    with TemporaryDirectory() as folder:
        path = Path(folder, "kept.json")
        adam = optim.Adam(model.parameters())
        return train.fit(model, SAMPLES, TARGETS, optimizer=adam, epochs=2, checkpoint=path), path.read_bytes()


def world(folder: Path) -> dict[str, Any]:
    """The names that a row may use. Files that it writes on the way go to another folder than the one it works in."""

    def file(content: str) -> str:
        path = folder / f"input-{len(list(folder.iterdir()))}"
        path.write_text(content)
        return str(path)

    def command(*arguments: str) -> None:
        result = CliRunner().invoke(cli.main, arguments, prog_name="tinygrad-edu")
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == 2
        raise Refused(result.stderr)

    def op(value: Any, derivatives: Any) -> Any:
        return tg.define_op("mine", value, derivatives)

    value, derivatives = lambda m, x: x, lambda m, y, x: (1.0,)
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    model, linear = nn.MLP(2, [3, 1], rng=random.Random(0)), nn.Linear(1, init="zeros")
    zeros = nn.Linear(2, 3, init="zeros")
    sgd = optim.SGD(linear.parameters(), lr=0.1)
    X, Y, X2 = deepcopy(SAMPLES), deepcopy(TARGETS), [[0.0, 1.0], [1.0, 0.0]]
    table = data.Table({"mass": [3.5, None, 5.0], "species": ["A", "A", "G"]})
    trained, kept = run()
    history = deepcopy(trained)
    Path("kept.json").write_bytes(kept)
    names = locals()
    exec(IMPORTS, names)
    return names


def everything(names: dict[str, Any]) -> dict[str, Any]:
    """All that a bad call must leave as it was."""
    leaves = [names["a"], names["b"], *names["model"].parameters(), *names["linear"].parameters()]
    return {
        "numbers": [(v.data, v.grad, v.label) for v in leaves],
        "optimizer": (names["sgd"].state_dict(), names["sgd"].lr),
        "data": deepcopy([names["X"], names["Y"], names["X2"], names["table"].rows]),
        "history": deepcopy(vars(names["history"])),
        "files": {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()},
        "random numbers": random.getstate(),
        "open modes": inherited_modes(),
        "operations": {name: op for name, op in OPS.items() if name != "mine"},
    }


ROWS = [pytest.param(*row[:2], row[2:], id=f"{topic}: {row[0]}") for topic, rows in CALLS.items() for row in rows]


@pytest.fixture
def folder() -> Iterator[Path]:
    """As `tmp_path`, which takes several times as long; and there are many rows."""
    with TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize(("code", "error", "words"), ROWS)
def test_a_bad_call_says_what_is_wrong_and_changes_nothing(
    code: str,
    error: type[Exception],
    words: tuple[str, ...],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(OPS, "mine", OPS["add"])  # what a row defines is gone afterwards
    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    names = world(folder)
    before = everything(names)
    with pytest.raises(error) as caught:
        exec(compile(code, "what somebody typed", "exec"), names)
    message = str(caught.value)
    assert type(caught.value) is error
    assert [word for word in words if word not in message] == [], message
    assert " object at 0x" not in message
    assert len(message) < 600
    assert everything(names) == before


def test_the_table_is_long_and_no_row_stands_in_it_twice():
    codes = [row[0] for rows in CALLS.values() for row in rows]
    assert len(codes) == len({*codes}) >= 120

"""An engine with gradients in arrays, and with a set of visited nodes; but two nodes can come to share an array."""

import numpy as np


class Value:
    def __init__(self, data, _children=()):
        self.data, self.grad = data, np.array(0.0)
        self._prev, self._pass_on = _children, lambda: None
        self._has_gradient = False

    def _receive(self, gradient):
        if self._has_gradient:
            self.grad += gradient
        else:
            self.grad, self._has_gradient = gradient, True

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))

        def _pass_on():
            self._receive(out.grad)
            other._receive(out.grad)

        out._pass_on = _pass_on
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))

        def _pass_on():
            self._receive(np.array(other.data * out.grad))
            other._receive(np.array(self.data * out.grad))

        out._pass_on = _pass_on
        return out

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __repr__(self):
        return f"Value({self.data})"

    def backward(self):
        order, visited = [], set()

        def visit(node):
            if node not in visited:
                visited.add(node)
                for x in node._prev:
                    visit(x)
                order.append(node)

        visit(self)
        self.grad, self._has_gradient = np.array(1.0), True
        for node in reversed(order):
            node._pass_on()

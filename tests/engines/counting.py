"""An engine that counts how often a node is used, in all graphs, and waits for as many gradients: one mistake."""


class Value:
    def __init__(self, data, inputs=()):
        self.data, self.grad, self.inputs, self.uses = data, 0.0, inputs, 0
        for x, _ in inputs:
            x.uses += 1

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def __repr__(self):
        return f"Value({self.data})"

    def backward(self):
        self.grad = 1.0
        ready, waiting = [self], {}
        while ready:
            node = ready.pop()
            for x, slope in node.inputs:
                x.grad += slope * node.grad
                waiting[x] = waiting.get(x, x.uses) - 1
                if waiting[x] == 0:
                    ready.append(x)

"""What tests of drawn graphs share: a small graph, labels that mean harm, and what is in an SVG."""

from xml.etree import ElementTree

from tinygrad_edu.engine import Value

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    '<script>alert("x")</script>',
    "{a|b}",
    "<port> c",
    "back\\slash",
    "\\N \\G \\n \\l",
    'a "quoted" name',
    '\\"',
    "\\",
    '"]; evil [label="',
    "&lt;b&gt; &amp; &#60;",
    "--> ]]> %s",
    "weight ∂L/∂w θ₀ 重み 🙂",
]


def example():
    """loss = (a·b + 10)², as in the documentation of Value."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    loss = (a * b + 10.0) ** 2
    loss.label = "loss"
    loss.backward()
    return loss


def chain(nodes):
    """tanh(tanh(…)), of so many nodes."""
    v = Value(1.0)
    for _ in range(nodes - 1):
        v = v.tanh()
    return v


def parts(svg, kind):
    """The <g> elements of the nodes, or of the edges, in an SVG; parsing it shows that it is well-formed."""
    return [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("class") == kind]


def arrows(svg):
    """What is written on each arrow, by the titles of the nodes that it connects, in the order of the inputs."""
    found = {}
    for g in parts(svg, "edge"):
        lines = [t.text.strip("\xa0") for t in g.iter(f"{SVG}text")]
        found.setdefault(tuple(g.find(f"{SVG}title").text.split("->")), []).append(" ".join(lines))
    return found


def texts(svg):
    """The lines of text in each node, without blank ones."""
    return [[t.text for t in g.iter(f"{SVG}text") if t.text and t.text.strip()] for g in parts(svg, "node")]


def node_with(svg, *lines):
    (found,) = [g for g in parts(svg, "node") if all(x in [t.text for t in g.iter(f"{SVG}text")] for x in lines)]
    return found


def outline(node):
    """The element that frames a node."""
    return next(e for e in node if e.tag in {f"{SVG}{t}" for t in ("polygon", "path", "ellipse")})

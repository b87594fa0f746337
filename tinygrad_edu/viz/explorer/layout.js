// Where the boxes of a graph are. dagre lays them out, from the left to the right or from the top to the bottom: in the
// way that leaves more room for letters. A large graph is drawn with a box for each group that the page came with, or
// for each line of the text, and one of thousands of lines with a box for several.

const MOST_SHARED_BOXES = 60;
const SIZES = { constant: [54, 24], leaf: [104, 40], data: [104, 40], operation: [104, 54] }; // width and height

/** Which box a node is in: nodes of one group share one, those of so many lines too; leaves may stand apart. */
function keysOf({ nodes, uses, lineOf }, lines, isApart) {
  const keys = [];
  for (let i = nodes.length - 1; i >= 0; i--) {
    const { kind, name } = nodes[i], title = page.groups[name];
    if (title !== undefined) keys[i] = `group ${title}`;
    else if (kind === "operation") keys[i] = `line ${Math.floor(lineOf[i] / lines)}`;
    else if (kind !== "constant" && isApart) keys[i] = `node ${i}`;
    else keys[i] = keys[uses[i][0][0]]; // in the box of what it is used for
  }
  return keys;
}
/** The boxes: the nodes of each, and the title of those with several; the node whose numbers it shows is its output. */
function boxesOf(graph) {
  const { nodes, rank, lines } = graph;
  if (nodes.length <= page.boxes) return nodes.map((_, i) => ({ title: "", nodes: [i], shown: i }));
  let keys = keysOf(graph, 1, true);
  if (new Set(keys).size > page.boxes) keys = keysOf(graph, Math.ceil(lines.length / MOST_SHARED_BOXES), false);
  const groups = new Map();
  nodes.forEach((node, i) => {
    if (!groups.has(keys[i])) groups.set(keys[i], { title: "", nodes: [] });
    const box = groups.get(keys[i]);
    box.title ||= page.groups[node.name] ?? "";
    box.nodes.push(i);
  });
  return [...groups.values()].map((box) => {
    const operations = box.nodes.filter((i) => nodes[i].kind === "operation");
    const most = operations.length ? operations : box.nodes;
    const shown = most.reduce((best, i) => (rank[i] >= rank[best] ? i : best), most[0]);
    return { ...box, shown, title: box.nodes.length > 1 ? box.title || nodes[shown].label : "" };
  });
}

function place(graph, boxes, boxOf, rankdir) {
  const drawn = new dagre.graphlib.Graph({ multigraph: true });
  drawn.setGraph({ rankdir, nodesep: 10, ranksep: 24, edgesep: 6, marginx: 6, marginy: 8 });
  drawn.setDefaultEdgeLabel(() => ({}));
  boxes.forEach((box, b) => {
    const [width, height] = SIZES[box.title ? "operation" : graph.nodes[box.shown].kind];
    drawn.setNode(b, { width, height });
  });
  const links = new Map(); // edges between two groups are one edge
  graph.nodes.forEach((node, i) =>
    node.inputs.forEach((x, k) => {
      const [a, b] = [boxOf[x], boxOf[i]];
      if (a === b) return;
      const key = `${a} ${b} ${boxes.length === graph.nodes.length ? k : 0}`;
      if (!links.has(key)) links.set(key, { a, b, of: [] });
      links.get(key).of.push([i, k]);
    }),
  );
  for (const [key, { a, b }] of links) drawn.setEdge(a, b, {}, key);
  dagre.layout(drawn);
  const { width, height } = drawn.graph();
  return {
    width: Math.max(width, 1),
    height: Math.max(height, 1),
    boxes: boxes.map((box, b) => {
      const { x, y, width: w, height: h } = drawn.node(b);
      return { ...box, x: x - w / 2, y: y - h / 2, w, h };
    }),
    edges: [...links].map(([key, { a, b, of }]) => ({ of, ...arrowOf(drawn.edge(a, b, key).points) })),
  };
}

/** A smooth line through points, and the head at its end. */
function arrowOf(points) {
  const round = (x) => Math.round(x * 10) / 10;
  const [start, end, before] = [points[0], points.at(-1), points.at(-2)];
  const length = Math.hypot(end.x - before.x, end.y - before.y) || 1, size = 7;
  const [dx, dy] = [(end.x - before.x) / length, (end.y - before.y) / length];
  const neck = { x: end.x - dx * size, y: end.y - dy * size };
  const way = [...points.slice(0, -1), neck];
  let line = `M${round(start.x)},${round(start.y)}`;
  for (let k = 1; k < way.length - 1; k++) {
    const to = k < way.length - 2 ? { x: (way[k].x + way[k + 1].x) / 2, y: (way[k].y + way[k + 1].y) / 2 } : way[k + 1];
    line += `Q${round(way[k].x)},${round(way[k].y)} ${round(to.x)},${round(to.y)}`;
  }
  if (way.length === 2) line += `L${round(neck.x)},${round(neck.y)}`;
  const corners = [end, { x: neck.x - dy * 3.2, y: neck.y + dx * 3.2 }, { x: neck.x + dy * 3.2, y: neck.y - dx * 3.2 }];
  return { line, head: corners.map(({ x, y }) => `${round(x)},${round(y)}`).join(" ") };
}

/** Lays out a graph for a place of this width, in a window of this height. */
function layOut(graph, width, height) {
  const boxes = boxesOf(graph), boxOf = [];
  boxes.forEach((box, b) => box.nodes.forEach((i) => (boxOf[i] = b)));
  const size = (made) => Math.min(1.3, width / made.width, (height * 0.58) / made.height);
  const made = ["LR", "TB"].map((direction) => place(graph, boxes, boxOf, direction));
  return { ...(size(made[1]) > size(made[0]) * 1.15 ? made[1] : made[0]), boxOf };
}

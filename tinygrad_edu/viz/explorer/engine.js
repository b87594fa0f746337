// The engine of the page: the values of a graph, and its gradients, step by step. What an operation computes, and its
// local derivatives, are functions that Python has printed from its table of rules; how a graph is read from a text is
// left to parser.js, how it is shown to page.js.
//
// A node that depends on a column of the table has a number for each row: its value, its slopes and its gradient are
// arrays. What adds up the rows has one number again. A node of one number that rows use gets the sum of their terms.

/** The function of an operation with these parameters, on so many inputs; undefined where there is none. */
function operationOf(op, parameters, arity) {
  if (!parameters.length) return OPERATIONS.get(`${op}/${arity}`);
  if (parameters.length === 1 && parameters[0] === 0) return OPERATIONS.get(`${op}(0)`);
  const member = OPERATIONS.get(op);
  return member && ((...xs) => member(...parameters, ...xs));
}
/** How an operation is written. */
function textsOf({ op, parameters, inputs }) {
  return TEXTS[parameters.length ? `${op}(${parameters.join(", ")})` : `${op}/${inputs.length}`] ?? TEXTS[op];
}

const inRow = (x, r) => (typeof x === "number" ? x : x[r]);

/**
 * The forward pass: the value of each node, and its derivative by each of its inputs. Where a value is no finite number
 * though the inputs are, an operation is not defined, or its value too large for a float, and the value is NaN; the
 * problem is the first such node. Steep is the first one with an infinite derivative. Where `sums` are given, they are
 * the values of what adds up the rows.
 */
function forward(graph, numbers, table, sums) {
  const values = [], slopes = [], rows = table?.rows ?? 0;
  let problem = null, steep = null;
  const look = (node, i, r) => {
    const xs = node.inputs.map((x) => inRow(values[x], r));
    if (!xs.every(Number.isFinite)) return;
    if (!Number.isFinite(inRow(values[i], r))) {
      problem ??= { node: i, row: r, xs };
      if (node.perRow) values[i][r] = NaN;
      else values[i] = NaN;
    } else if (!slopes[i].every((slope) => Number.isFinite(inRow(slope, r)))) steep ??= { node: i, row: r, xs };
  };
  graph.nodes.forEach((node, i) => {
    slopes[i] = [];
    if (node.kind === "constant") values[i] = node.number;
    else if (node.kind === "leaf") values[i] = numbers[node.name];
    else if (node.kind === "data") values[i] = table.columns[node.name];
    else if (node.overRows) {
      const x = values[node.inputs[0]];
      values[i] = sums?.[i] ?? x.reduce((sum, term) => sum + term, 0) / (node.overRows === "mean" ? rows : 1);
      slopes[i] = [node.overRows === "mean" ? 1 / rows : 1];
      look({ inputs: [] }, i, 0);
    } else if (!node.perRow) {
      [values[i], ...slopes[i]] = node.f(...node.inputs.map((x) => values[x]));
      look(node, i, 0);
    } else {
      values[i] = new Float64Array(rows);
      slopes[i] = node.inputs.map(() => new Float64Array(rows));
      for (let r = 0; r < rows; r++) {
        const [y, ...dy] = node.f(...node.inputs.map((x) => inRow(values[x], r)));
        values[i][r] = y;
        dy.forEach((slope, k) => (slopes[i][k][r] = slope));
        look(node, i, r);
      }
    }
  });
  return { values, slopes, problem, steep, rows };
}

// The ways to go backward: the right one, and the mistakes that people make: in no topological order, = in place of +=,
// a node visited again, nothing to begin with, gradients of operations kept from one pass to the next.
const WAYS = ["right", "order", "assign", "again", "seed", "keep"], MOST_VISITS = 300;

/** The order in which nodes pass their gradients on. */
function backwardOrder(graph, way) {
  const isOperation = (i) => graph.nodes[i].kind === "operation";
  if (way !== "order" && way !== "again") {
    return [...graph.nodes.keys()].filter(isOperation).sort(graph.byRank).toReversed();
  }
  const order = [], met = new Set(), waiting = [graph.root];
  while (waiting.length && order.length < MOST_VISITS) {
    const i = waiting.pop();
    if (!isOperation(i) || (way === "order" && met.has(i))) continue;
    met.add(i);
    order.push(i);
    waiting.push(...graph.nodes[i].inputs.toReversed());
  }
  return order;
}

/** All steps: nodes are computed from the leaves to the root, and gradients go back, once for each backward pass. */
function stepsOf(graph, passes, way) {
  const back = backwardOrder(graph, way);
  const computed = backwardOrder(graph, "right").toReversed().map((node) => ({ kind: "forward", node }));
  const steps = [{ kind: "start" }, ...computed];
  for (let pass = 1; pass <= passes; pass++) {
    steps.push({ kind: "seed", node: graph.root, pass }, ...back.map((node) => ({ kind: "backward", node, pass })));
  }
  return steps;
}

/**
 * The gradients as far as the steps have come, and how many terms of each sum have arrived. At each backward pass the
 * gradients of operations start at 0, and those of leaves are added to what is there.
 */
function gradientsAfter(graph, run, steps, row, way) {
  const { nodes, root } = graph, { slopes, rows } = run;
  const zero = (i) => (nodes[i].perRow ? new Float64Array(rows) : 0);
  const sums = nodes.map((_, i) => zero(i)), terms = nodes.map(() => 0);
  const add = (x, term) => {
    if (way === "assign") sums[x] = zero(x);
    if (!nodes[x].perRow) sums[x] += term.reduce((sum, t) => sum + t, 0);
    else for (let r = 0; r < rows; r++) sums[x][r] += term[r];
  };
  for (const { kind, node: i } of steps) {
    if (kind === "seed") {
      nodes.forEach((node, j) => {
        terms[j] = 0;
        if (node.kind === "operation" && (way !== "keep" || j === root)) sums[j] = zero(j);
      });
      if (way === "seed") continue;
      if (!nodes[root].perRow) sums[root] += 1;
      else sums[root][row] += 1;
    } else if (kind === "backward") {
      nodes[i].inputs.forEach((x, k) => {
        terms[x] += 1;
        const slope = slopes[i][k];
        if (nodes[i].overRows) add(x, new Float64Array(rows).fill(sums[i] * slope));
        else if (nodes[i].perRow) add(x, sums[i].map((g, r) => g * slope[r]));
        else add(x, [sums[i] * slope]);
      });
    }
  }
  if (run.problem) return { sums: nodes.map((node) => (node.perRow ? new Float64Array(rows).fill(NaN) : NaN)), terms };
  return { sums, terms };
}

// How the page looks and reacts. What it computes stands in engine.js, how a text becomes a graph in parser.js, where
// the boxes are in layout.js, the pictures of data and losses in plots.js, what is said in words.js and chinese.json.
const $ = (id) => document.getElementById(id);
const MOST_LINES = 100; // that are shown of anything
const MOST_ROWS_OF_TEXT = 9;

// ---- the state of the page, and what follows from it ----------------------------------------------------------------
const state = {};
let graph, steps, run, sums, terms, boxes, layout; // of the text; of its numbers; at this step
let selected = 0, losses = [], trail = [], memory = new Map(), wrongAt; // where the text cannot be read

const nodeAt = (i) => graph.nodes[i];
const value = (i) => inRow(run.values[i], state.row);
const slope = (i, k) => inRow(run.slopes[i][k] ?? NaN, state.row);
const gradient = (i) => inRow(sums[i], state.row);
const isKnown = (i) => nodeAt(i).kind !== "operation" || graph.turn[i] <= state.at;
const isBack = () => state.at >= graph.seed;
const isReached = (i) => nodeAt(i).kind !== "constant" && isBack() && (i === graph.root || terms[i] > 0);
const isMarked = (i) => nodeAt(i).kind === "leaf" && state.marked.has(nodeAt(i).name);
const rowsOf = () => state.table?.rows ?? 0;

/** All numbers of a state: as the page came, as an example, or as an address has them. */
function open(what) {
  pause();
  Object.assign(state, {
    numbers: Object.assign(Object.create(null), what.numbers),
    marked: new Set(what.marked ?? []),
    optimizer: OPTIMIZER_TEXTS[what.optimizer] ? what.optimizer : "SGD",
    passes: [1, 2, 3].includes(Number(what.passes)) ? Number(what.passes) : 1,
    way: WAYS.includes(what.way) ? what.way : "right",
    row: 0,
    at: 0,
    isLog: false,
  });
  for (const name of Object.keys(state.numbers)) state.numbers[name] = Number(state.numbers[name]);
  $("text").value = what.text ?? "";
  $("table").value = what.table ?? "";
  $("table-box").open = false;
  $("optimizer").value = state.optimizer;
  $("eta").value = Number.isFinite(Number(what.eta ?? NaN)) ? what.eta : 0.1;
  $("passes").value = state.passes;
  $("way").value = state.way;
  $("log").checked = false;
  $("across").value = $("up").value = "";
  graph = parse("x", [], () => true); // where the text cannot be read, something has to be there
  state.table = null;
  state.original = Object.assign(Object.create(null), state.numbers);
  if (!read()) prepare();
  stopRun();
}

/** Reads the text and the table. Where one cannot be read, the error is shown, and the graph stays as it was. */
function read() {
  const words = $("text").value, table = readTable();
  wrongAt = undefined;
  try {
    const made = parse(words, table?.names ?? [], (name) => name in state.numbers);
    if (made.nodes.length > page.most) throw new TextError(say`The graph has more than ${page.most} nodes.`, 0);
    graph = made;
    state.table = table;
    prepare();
    show("problem", notes());
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    wrongAt = error.at;
    const before = words.slice(0, wrongAt).split("\n"), line = before.length, column = before.at(-1).length + 1;
    const isFirst = line === 1, { message } = error;
    show("problem", isFirst ? say`column ${column}: ${message}` : say`line ${line}, column ${column}: ${message}`);
    paintText();
  }
  $("text").setAttribute("aria-invalid", wrongAt !== undefined);
  return wrongAt === undefined;
}
/** What can be read, and yet may not be meant. */
function notes() {
  const { nodes, root, unused } = graph;
  return sentences(
    ...unused.map((name) => (name ? say`${name} is not used.` : say`A line is not used.`)),
    nodes[root].perRow && say`${called(root)} differs from row to row: add up the rows with sum(…) or mean(…).`,
    state.table && !nodes.some(({ kind }) => kind === "data") && say`No column of the table is used.`,
  );
}

/** All that follows from a graph that is new. */
function prepare() {
  state.text = $("text").value;
  state.row = Math.min(state.row, Math.max(rowsOf() - 1, 0));
  const { nodes, root, byRank } = graph;
  graph.leaves = [...nodes.keys()].filter((i) => nodes[i].kind === "leaf").sort(byRank);
  for (const i of graph.leaves) {
    state.numbers[nodes[i].name] ??= 1;
    state.original[nodes[i].name] ??= 1;
  }
  nodes.forEach((node) => (node.label = page.labels[node.name] ?? node.name));
  makeSteps();
  state.at = Math.min(state.at, steps.length - 1);
  selected = steps[state.at].node ?? root;
  forget();
  compute();
  drawGraph();
  makeLeaves();
  choosePair();
  for (const where of document.querySelectorAll(".root-name")) where.textContent = short(called(root), 16);
  $("row-choice").hidden = !rowsOf();
  $("row").max = rowsOf();
  $("row").value = state.row + 1;
  document.body.classList.toggle("has-table", Boolean(state.table));
  paintSizes();
  paint();
}
/** How large the graph and the table are. */
function paintSizes() {
  const count = graph.nodes.length, leaves = graph.leaves.length, drawn = layout.boxes.length, L = called(graph.root);
  const nodes = count === 1
    ? say`${L}: 1 node, ${leaves} of them leaves`
    : say`${L}: ${count} nodes, ${leaves} of them leaves`;
  show("summary", drawn < count ? say`${nodes}; collapsed into ${drawn} boxes` : nodes);
  show("row-count", say`of ${rowsOf()}`);
}

function makeSteps() {
  steps = stepsOf(graph, state.passes, state.way);
  graph.seed = steps.findIndex(({ kind }) => kind === "seed");
  graph.turn = graph.nodes.map(() => 0);
  steps.forEach(({ kind, node }, t) => {
    if (kind === "forward") graph.turn[node] = t;
  });
  $("step").max = steps.length - 1;
}

function compute() {
  run = forward(graph, state.numbers, state.table);
  arrive();
}
/** The gradients as they are at this step. */
function arrive() {
  ({ sums, terms } = gradientsAfter(graph, run, steps.slice(0, state.at + 1), state.row, state.way));
}
/** After a change by hand a run begins anew. */
function forget() {
  losses = [];
  trail = [];
  memory = new Map();
  ended = null;
}

// ---- numbers and formulas as text -----------------------------------------------------------------------------------
function text(x, digits = 6) {
  if (Number.isNaN(x)) return say`undefined`;
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x), least = 10 ** Math.min(2 - digits, -2);
  const isPlain = size === 0 || (size >= least && size < 10 ** digits);
  const written = isPlain ? String(Number(x.toPrecision(digits)) + 0) : x.toExponential(digits - 3);
  return written.replace("e+", "e").replaceAll("-", "−");
}
const bracketed = (x) => (x < 0 ? `(${text(x)})` : text(x));
const short = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);
/** The end of a name, as paths differ there: layers[0].neurons[3].w[1]. */
const tail = (words, most) => (words.length > most ? `…${words.slice(1 - most)}` : words);
const called = (i) => (nodeAt(i).kind === "constant" ? bracketed(nodeAt(i).number) : nodeAt(i).label);
const partial = (i, x) => `∂${called(i)}/∂${called(x)}`;
const known = (i) => (isKnown(i) ? bracketed(value(i)) : "?");
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A formula whose gaps are filled: ⟦0⟧, ⟦1⟧, … with inputs of a node, ⟦y⟧ with its value, ⟦p0⟧ with a parameter. */
function filled(template, i, write) {
  const { op, inputs, parameters } = nodeAt(i), number = op === "exponential" ? bracketed : text; // of a base
  return template
    .replace(/⟦[^⟧]*…$/, "…")
    .replace(/⟦(p?)(\d+|y)⟧/g, (_, p, k) => (p ? number(parameters[k]) : write(k === "y" ? i : inputs[k])));
}
function symbolOf(i) {
  const { op, overRows, parameters } = nodeAt(i), [n] = parameters;
  if (overRows) return overRows === "sum" ? "Σ" : "mean";
  if (op === "power" && Number.isInteger(n) && n >= 0) return `x${String(n).replace(/\d/g, (d) => SUPERSCRIPTS[d])}`;
  const { symbol } = textsOf(nodeAt(i));
  const written = { __proto__: null, "*": "·", "-": "−", neg: "−" }[symbol];
  return written ?? symbol.replace(/⟦p(\d)⟧/g, (_, k) => text(parameters[k]));
}
function formula(i, write) {
  const { overRows, inputs } = nodeAt(i);
  if (overRows) return `${overRows}(${write(inputs[0])})`;
  return filled(textsOf(nodeAt(i)).formula, i, write);
}
/** A local derivative as a formula, "" if it is only a number. */
function slopeFormula(i, k) {
  const template = nodeAt(i).overRows ? "" : textsOf(nodeAt(i)).slopes[k] ?? "";
  const words = filled(template, i, called), number = slope(i, k);
  return words === text(number) || words === bracketed(number) ? "" : words;
}
/** The inputs that are no constants, each with its place among the inputs. */
const variables = (i) => [...nodeAt(i).inputs.entries()].filter(([, x]) => nodeAt(x).kind !== "constant");

// Why an operation f, whose value is y, is not defined at some numbers.
const noLog = (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers above 0.`;
const noAngle = (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers from −1 to 1.`;
const noPower = (y, f, at) =>
  say`${y}: ${f} is not defined at ${at}: a negative number takes whole exponents, and 0 takes those of 0 or more.`;
const DOMAINS = {
  __proto__: null,
  log: noLog, log2: noLog, log10: noLog, asin: noAngle, acos: noAngle, power: noPower, pow: noPower,
  log1p: (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers above −1.`,
  sqrt: (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers of 0 or more.`,
  acosh: (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers of 1 or more.`,
  atanh: (y, f, at) => say`${y}: ${f} is not defined at ${at}: it takes numbers between −1 and 1.`,
  div: (y, f, at) => say`${y}: ${f} is not defined at ${at}: it cannot divide by 0.`,
};
const noValue = (y, f, at) => say`${y}: ${f} is not defined at ${at}.`;
const SIGNS = {
  __proto__: null, add: "+", sub: "−", mul: "·", div: "/", neg: "−", pow: "**", power: "**", exponential: "**",
};

/** Which operation is not defined, or has an infinite derivative, where, and why. */
function problemOf({ node, row, xs }, isSlope) {
  const { op, perRow, overRows, f } = nodeAt(node), y = called(node), symbol = SIGNS[op] ?? op;
  const follows = say`What follows has no value, and no gradient is defined.`;
  if (overRows) return sentences(say`${y}: the sum of the rows is too large for a float.`, follows);
  const numbers = short(variables(node).map(([k, x]) => `${called(x)} = ${text(xs[k])}`).join(", "), 120);
  const place = perRow ? say`${numbers} in row ${row + 1}` : numbers;
  if (isSlope) {
    return say`${y}: the derivative of ${symbol} is infinite at ${place}: gradients through it are undefined.`;
  }
  const isPole = xs.includes(0) || op.startsWith("log") || op === "atanh"; // an infinite value, and yet not too large
  const isOutside = Number.isNaN(f(...xs)[0]) || (op in DOMAINS && isPole);
  if (isOutside) return sentences((DOMAINS[op] ?? noValue)(y, symbol, place), follows);
  return sentences(say`${y}: ${symbol} is too large for a float at ${place}.`, follows);
}

// ---- elements; text that they get is never read as HTML -------------------------------------------------------------
function element(tag, attributes = {}, ...children) {
  return withAttributes(document.createElement(tag), attributes, children);
}
function shape(tag, attributes = {}, ...children) {
  return withAttributes(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}
function withAttributes(made, attributes, children) {
  for (const [key, content] of Object.entries(attributes)) made.setAttribute(key, content);
  made.append(...children);
  return made;
}
function put(where, words) {
  if (where.textContent !== words) where.textContent = words;
}
const show = (id, words) => put($(id), words);

// ---- the text, in which the part that is computed lights up ---------------------------------------------------------
function paintText() {
  const words = $("text").value, marks = [];
  if (wrongAt !== undefined) marks.push([wrongAt, wrongAt + 1, "wrong"]);
  else if (words === state.text) {
    const ranges = nodeAt(selected).ranges.toSorted((a, b) => a[0] - b[0]);
    for (const [from, to] of ranges) if (!marks.length || from >= marks.at(-1)[1]) marks.push([from, to, "lit"]);
  }
  const parts = [];
  let place = 0;
  for (const [from, to, kind] of marks) {
    const marked = words.slice(from, to).replace(/^$|^\n/, " $&"); // the end of a line has room for a mark
    parts.push(words.slice(place, from), element("mark", { class: kind }, marked));
    place = to;
  }
  $("shown").replaceChildren(...parts, `${words.slice(place)}\n`);
  const lit = $("shown").querySelector("mark"), area = $("text");
  area.rows = Math.min(words.split("\n").length, MOST_ROWS_OF_TEXT);
  while (area.rows < MOST_ROWS_OF_TEXT && area.scrollHeight > area.clientHeight) area.rows++;
  const isSeen = (top) => top >= area.scrollTop && top + 24 <= area.scrollTop + area.clientHeight;
  if (lit && document.activeElement !== area && !isSeen(lit.offsetTop)) area.scrollTop = lit.offsetTop - 30;
  $("shown").scrollTop = area.scrollTop;
}

// ---- the picture ----------------------------------------------------------------------------------------------------
const picture = $("graph");
let edges = [];
/** Puts as much of the words as there is room for, in units of the picture. */
function fitted(where, words, room, cut = short) {
  let most = Math.min(words.length, 60);
  do where.textContent = most < words.length ? cut(words, most) : words;
  while (where.getComputedTextLength() > room && --most > 1);
}
function drawGraph() {
  const stage = $("scroller");
  layout = layOut(graph, stage.clientWidth, innerHeight);
  picture.replaceChildren();
  const layer = shape("g");
  picture.append(layer);
  edges = layout.edges.map(({ of, line, head }) => {
    const drawn = shape("g", { class: "edge" }, shape("path", { d: line }), shape("polygon", { points: head }));
    layer.append(drawn);
    return { of, drawn };
  });
  boxes = layout.boxes.map((box) => drawBox(box, layer));
  fit(least());
}
function drawBox(box, layer) {
  const { x, y, w, h, shown } = box, node = nodeAt(shown), rx = node.kind === "operation" ? 3 : 11;
  const isLeaf = !box.title && (node.kind === "leaf" || node.kind === "data"); // its number stands beside its name
  const parts = {
    behind: shape("rect", { class: "behind", x: x + 4, y: y - 4, width: w, height: h, rx }),
    frame: shape("rect", { class: "frame", x, y, width: w, height: h, rx }),
    heading: shape("text", { class: "title", x: x + 7, y: y + 15 }),
    sign: shape("text", { class: "sign", x: x + w - 7, y: y + 15 }),
    numbers: shape("text", { class: "numbers", ...(isLeaf ? { x: x + w - 7, y: y + 15 } : { x: x + 7, y: y + 30 }) }),
    slope: shape("text", { class: "slope", x: x + 7, y: y + h - 10 }),
    part: shape("text", { class: "part", x: x + w - 7, y: y + h - 10 }),
    size: shape("rect", { class: "size", x: x + 3, y: y + h - 4, height: 2.5, width: 0 }),
  };
  const drawn = shape("g", { role: "button", tabindex: -1 }, ...Object.values(parts));
  parts.numbers.classList.toggle("end", isLeaf);
  if (!node.perRow || box.title) parts.behind.remove();
  if (node.kind === "constant" && !box.title) {
    parts.heading.setAttribute("x", x + w / 2);
    drawn.replaceChildren(parts.frame, parts.heading);
  }
  const choose = () => select(box.nodes.includes(selected) ? selected : shown);
  drawn.addEventListener("mouseenter", choose);
  drawn.addEventListener("focus", choose);
  drawn.addEventListener("click", () => drawn.focus());
  layer.append(drawn);
  if (box.title) fitted(parts.heading, box.title, w - 14, tail);
  else if (node.kind === "constant") put(parts.heading, text(node.number, 5));
  else {
    if (node.kind === "operation") fitted(parts.sign, symbolOf(shown), w / 2);
    fitted(parts.heading, node.label, isLeaf ? w * 0.42 : w - 20 - parts.sign.getComputedTextLength());
  }
  return { ...box, drawn, ...parts };
}

function paintGraph() {
  const step = steps[state.at], isReturning = isBack();
  const sizes = graph.nodes.map((node, i) => (node.kind === "constant" ? 0 : Math.abs(gradient(i)) || 0));
  const largest = Math.max(...sizes);
  for (const { shown, drawn, numbers, slope: slopes, part, size, w, ...box } of boxes) {
    const node = nodeAt(shown), isGroup = box.nodes.length > 1, isFixed = node.kind === "constant";
    const isComputed = isKnown(shown), hasGradient = isReached(shown);
    drawn.setAttribute(
      "class",
      [
        "box",
        isGroup ? "group" : isMarked(shown) ? "parameter" : node.kind,
        shown === graph.root && "root",
        !isComputed && "waiting",
        box.nodes.includes(step.node) && "active",
        isReturning && "returning",
        box.nodes.includes(selected) && "selected",
      ].filter(Boolean).join(" "),
    );
    drawn.setAttribute("tabindex", box.nodes.includes(selected) ? 0 : -1);
    const members = box.nodes.length, isNamed = isGroup && box.title;
    const name = isNamed ? say`${box.title}, ${members} nodes, output ${node.label}` : called(shown);
    const spoken = [name, kindOf(shown)];
    drawn.dataset.node = shown;
    drawn.dataset.name = node.name ?? "";
    drawn.dataset.value = isComputed ? value(shown) : "";
    drawn.dataset.gradient = hasGradient ? gradient(shown) : "";
    if (!isFixed) {
      const isLeaf = numbers.classList.contains("end"), many = graph.uses[shown].length, arrived = terms[shown];
      const x = isComputed ? text(value(shown), 4) : "?";
      put(numbers, isLeaf ? x : say`data ${x}`);
      put(slopes, say`grad ${hasGradient ? text(gradient(shown), many > 1 ? 3 : 4) : "?"}`);
      put(part, many > 1 && arrived ? (arrived < many ? `Σ ${arrived}/${many}` : `Σ ${many}`) : "");
      size.setAttribute("width", hasGradient && largest ? ((w - 6) * Math.abs(gradient(shown))) / largest || 0 : 0);
      if (isComputed) spoken.push(say`data ${text(value(shown))}`);
      if (hasGradient) spoken.push(say`gradient ${text(gradient(shown))}`);
      if (hasGradient && many > 1) spoken.push(say`${arrived} of ${many} terms`);
    }
    drawn.setAttribute("aria-label", listed(spoken));
  }
  const after = new Set([selected]); // the nodes on the paths from the selected one to the root
  for (let i = selected; i <= graph.root; i++) if (nodeAt(i).inputs.some((x) => after.has(x))) after.add(i);
  for (const { of, drawn } of edges) {
    const isNow = of.some(([i]) => i === step.node) && step.kind !== "seed";
    const isPath = of.some(([i, k]) => after.has(nodeAt(i).inputs[k]));
    drawn.setAttribute("class", `edge${isNow ? (isReturning ? " returning" : " active") : isPath ? " path" : ""}`);
  }
}

/** What a node is: the operation, or which kind of a beginning. */
function kindOf(i) {
  const { kind, op } = nodeAt(i);
  if (kind === "leaf") return isMarked(i) ? say`leaf, a parameter θ` : say`leaf`;
  if (kind === "constant") return say`constant`;
  return kind === "data" ? say`column of the table` : op;
}

let scale = 1;
function zoom(to) {
  scale = Math.min(Math.max(to, 0.15), 3);
  picture.setAttribute("viewBox", `0 0 ${layout.width} ${layout.height}`);
  picture.setAttribute("width", layout.width * scale);
  picture.setAttribute("height", layout.height * scale);
}
/** As large as the place allows, but no letter smaller than can be read: then the graph is scrolled. */
function fit(least) {
  const wide = $("scroller").clientWidth / layout.width, high = roomBelow() / layout.height;
  zoom(Math.max(least, Math.min(isLarge() ? 2 : 1.3, wide, high)));
}
const isLarge = () => document.documentElement.classList.contains("large");
const roomBelow = () => Math.max(innerHeight * 0.58, 240);
const least = () => (isLarge() ? 1.5 : innerWidth > 960 ? 0.55 : 0.85); // letters of 12: 18 pixels on a wall
function intoView(i) {
  const stage = $("scroller"), { x, y, w, h } = layout.boxes[layout.boxOf[i]];
  const moved = (from, size, low, high) => (low < from ? low - 20 : high > from + size ? high - size + 20 : from);
  stage.scrollTo(
    moved(stage.scrollLeft, stage.clientWidth, x * scale, (x + w) * scale),
    moved(stage.scrollTop, stage.clientHeight, y * scale, (y + h) * scale),
  );
}

// ---- the step in words and numbers ----------------------------------------------------------------------------------
function sentence() {
  const { kind, node, pass } = steps[state.at], { root } = graph;
  if (kind === "start") {
    const beginning = say`The leaves have their numbers. The forward pass computes node after node.`;
    return [sentences(beginning, rowsOf() && say`Shown is row ${state.row + 1}.`), []];
  }
  if (kind === "forward") {
    const { problem } = run;
    const why = problem && (problem.node === node || Number.isNaN(value(node))) ? [problemOf(problem)] : [];
    const computed = `${formula(node, called)} = ${formula(node, known)} = ${text(value(node))}`;
    return [say`Forward: ${called(node)} = ${computed}`, why];
  }
  if (kind === "seed") {
    const why = run.problem ? [problemOf(run.problem)] : run.steep ? [problemOf(run.steep, true)] : [];
    const one = partial(node, node), begun = pass > 1 ? say`Backward, pass ${pass}: ${one}` : say`Backward: ${one}`;
    if (state.way === "seed") return [say`${begun} should be 1, and stays 0: all gradients will be 0.`, why];
    const added = state.way === "keep"
      ? say`Gradients of leaves are added to what is there; so are those of operations: too much.`
      : say`Gradients of leaves are added to what is there; those of operations begin at 0 again.`;
    return [sentences(say`${begun} = 1. From here gradients flow back to the leaves.`, pass > 1 && added), why];
  }
  const before = gradientsAfter(graph, run, steps.slice(0, state.at), state.row, state.way);
  const grad = inRow(before.sums[node], state.row), sum = new Map();
  const isAssigned = state.way === "assign", sign = isAssigned ? "=" : "+=";
  const lines = variables(node).map(([k, x]) => {
    const words = slopeFormula(node, k), [dx, dy, dydx] = [partial(root, x), partial(root, node), partial(node, x)];
    const because = (line) => (words ? say`${line}, as ${dydx} = ${words}` : line);
    const product = `${bracketed(grad)} × ${bracketed(slope(node, k))}`;
    if (nodeAt(node).perRow && !nodeAt(x).perRow) {
      const added = text(isAssigned ? sums[x] : sums[x] - before.sums[x]), row = state.row + 1;
      return because(
        say`${dx} ${sign} the sum over ${run.rows} rows of ${dy} · ${dydx} = ${added}; in row ${row} ${product}`,
      );
    }
    const term = grad * slope(node, k);
    sum.set(x, isAssigned ? term : (sum.get(x) ?? inRow(before.sums[x], state.row)) + term);
    const line = `${dx} ${sign} ${dy} · ${dydx} = ${product} = ${text(term)}`;
    const isSum = graph.uses[x].length > 1 || pass > 1;
    return because(isSum ? say`${line}, in sum ${text(sum.get(x))}` : line);
  });
  const constants = nodeAt(node).inputs.filter((x) => nodeAt(x).kind === "constant").map(called);
  if (constants.length) lines.push(say`No gradient for ${constants.slice(0, 8).join(", ")}: constant.`);
  const many = graph.uses[node].length;
  if (node !== root && before.terms[node] < many) {
    const arrived = before.terms[node], y = called(node);
    lines.push(say`Too early: ${arrived} of ${many} terms have arrived at ${y}. What comes later is not passed on.`);
  }
  if (steps.slice(0, state.at).some((step) => step.kind === "backward" && step.pass === pass && step.node === node)) {
    lines.push(say`Again: what ${called(node)} has passed on before is passed on once more.`);
  }
  if (isAssigned && variables(node).some(([, x]) => graph.uses[x].length > 1)) {
    lines.push(say`= in place of +=: what had arrived there before is lost.`);
  }
  const passed = `${partial(root, node)} = ${text(grad)}`;
  return [say`Backward: ${called(node)} = ${formula(node, called)} passes ${passed} on`, lines];
}
function paintWords() {
  const [head, lines] = sentence();
  const shown = lines.slice(0, MOST_LINES);
  if (shown.length < lines.length) shown.push(say`and ${lines.length - shown.length} more lines`);
  const list = element("ul", { class: "scroll" }, ...shown.map((line) => element("li", {}, line)));
  $("words").replaceChildren(element("b", {}, head), ...(lines.length ? [list] : []));
  $("step").value = state.at;
  $("step").setAttribute("aria-valuetext", say`${state.at} of ${steps.length - 1}: ${head}`);
  put($("count"), `${state.at} / ${steps.length - 1}`);
  show("answer", whatComesNext());
}
function whatComesNext() {
  const step = steps[state.at + 1];
  if (!step) return say`Nothing: all gradients are known. A step of gradient descent could follow.`;
  const { kind, node } = step, y = called(node), many = graph.uses[node].length;
  if (kind === "forward") return say`${y} = ${formula(node, called)}: its inputs are known.`;
  if (kind === "seed") {
    if (state.way === "seed") return say`The backward pass: it begins with nothing.`;
    return say`The backward pass: it begins with ${partial(node, node)} = 1.`;
  }
  if (["order", "again"].includes(state.way)) {
    return say`${y} passes its gradient on to its inputs, as it is the next one that is met.`;
  }
  if (node === graph.root) return say`${y} passes its gradient on to its inputs, as it is the root.`;
  if (many === 1) return say`${y} passes its gradient on to its inputs, as its gradient has arrived.`;
  return say`${y} passes its gradient on to its inputs, as all ${many} terms of its gradient have arrived.`;
}

// ---- one node in detail ---------------------------------------------------------------------------------------------
const MOST_PATHS = 6, MOST_MEMBERS = 300;

/** The paths from a node to the root, as lists of [node, input number], and how many there are in all. */
function paths(from) {
  const many = graph.nodes.map(() => 0);
  many[graph.root] = 1;
  for (let i = graph.root; i > from; i--) nodeAt(i).inputs.forEach((x) => (many[x] += many[i]));
  const found = [], stack = [[from, []]];
  while (stack.length && found.length < MOST_PATHS) {
    const [i, path] = stack.pop();
    if (i === graph.root) found.push(path);
    else for (const [j, k] of graph.uses[i].toReversed()) stack.push([j, [...path, [j, k]]]);
  }
  return { many: many[from], found };
}
function paintNode() {
  const i = selected, node = nodeAt(i), box = boxes[layout.boxOf[i]], isComputed = isKnown(i);
  const details = element("dl");
  const row = (term, ...content) => details.append(element("dt", {}, term), element("dd", {}, ...content));
  const exact = (words, x) => element("span", { title: String(x) }, words);
  row(say`name`, called(i));
  if (node.kind === "operation") {
    row(say`operation`, node.overRows ? { sum: say`sum of the rows`, mean: say`mean of the rows` }[node.op] : node.op);
    row(say`formula`, `${called(i)} = ${formula(i, called)}`);
    row(say`numbers`, `${called(i)} = ${formula(i, known)}`);
  } else row(say`kind`, kindOf(i));
  row(say`data`, isComputed ? exact(text(value(i)), value(i)) : "?");
  if (node.perRow) row(say`row`, say`${state.row + 1} of ${run.rows}: each row has a value of its own`);
  if (node.kind !== "constant") {
    const many = graph.uses[i].length, isPart = isReached(i) && i !== graph.root && terms[i] < many;
    const sum = `${partial(graph.root, i)} = ${isReached(i) ? text(gradient(i)) : "?"}`;
    const words = isPart ? say`${sum} so far, ${terms[i]} of ${many} terms` : sum;
    row(say`gradient`, exact(words, isReached(i) ? gradient(i) : say`not known yet`));
  }
  const slopes = variables(i).slice(0, 40).map(([k, x]) => {
    const words = slopeFormula(i, k), number = isComputed ? text(slope(i, k)) : "?";
    return element("li", {}, `${partial(i, x)} = ${words ? `${words} = ${number}` : number}`);
  });
  if (slopes.length) row(say`local derivatives`, element("ul", {}, ...slopes));
  if (i !== graph.root && node.kind !== "constant") {
    const { many, found } = paths(i), all = isKnown(graph.root);
    const items = found.map((path) => {
      const chain = [i, ...path.map(([j]) => j)].map(called).join(" → ");
      const product = path.reduce((product, [j, k]) => product * slope(j, k), 1);
      const factors = path.map(([j, k]) => bracketed(slope(j, k))).join(" × ");
      return element("li", {}, `${short(chain, 300)}: ${all ? `${short(factors, 300)} = ${text(product)}` : "?"}`);
    });
    const more = many > found.length ? [element("li", {}, say`and ${text(many - found.length)} more`)] : [];
    const L = called(graph.root), title = many > 1 ? say`paths to ${L}: ${text(many)}` : say`path to ${L}`;
    row(title, element("ul", {}, ...items, ...more));
  }
  const members = element("div", { class: "members", role: "group", "aria-label": say`Nodes of ${box.title}` });
  if (box.nodes.length > 1) {
    if (box.nodes.length > MOST_MEMBERS) members.append(say`The last ${MOST_MEMBERS} of ${box.nodes.length}:`);
    for (const j of box.nodes.slice(-MOST_MEMBERS)) {
      const name = called(j), inside = name.startsWith(`${box.title}.`) ? name.slice(box.title.length + 1) : name;
      const button = element("button", { type: "button", "aria-pressed": j === i }, tail(inside, 24));
      button.addEventListener("click", () => {
        select(j);
        $("node").querySelector("[aria-pressed=true]")?.focus();
      });
      members.append(button);
    }
  }
  const group = box.nodes.length > 1 ? [element("p", {}, say`In ${box.title}:`), members] : [];
  $("node").replaceChildren(...group, details);
}
function select(i) {
  if (i === selected && $("node").childElementCount) return;
  selected = i;
  paintGraph();
  paintText();
  paintNode();
}

// ---- the leaves -----------------------------------------------------------------------------------------------------
let rows = [];
function makeLeaves() {
  rows = graph.leaves.map(makeLeaf);
  $("leaves").replaceChildren(...rows.map(({ row }) => row));
}
function makeLeaf(i) {
  const { name, label } = nodeAt(i), reach = Math.max(2, 2 * Math.abs(state.original[name]));
  const range = Number.isFinite(reach) ? reach : 10;
  const slider = element("input", { type: "range", "aria-label": say`${label}, slider` });
  stretch(slider, range);
  const number = element("input", { type: "number", step: "any", "aria-label": say`${label}, number` });
  const box = element("input", { type: "checkbox", "aria-label": say`${label} is a parameter` });
  const slopeText = element("span", { class: "gradient" });
  const title = element("span", { class: "name", title: label }, tail(label, 18));
  const row = element("div", { class: "leaf-row" }, title, element("label", {}, box, " θ"), number, slider, slopeText);
  row.dataset.leaf = name;
  slider.addEventListener("input", () => change(name, Number(slider.value)));
  number.addEventListener("input", () => {
    const isNumber = number.value.trim() !== "" && Number.isFinite(Number(number.value));
    number.setAttribute("aria-invalid", !isNumber);
    if (isNumber) change(name, Number(number.value));
  });
  number.addEventListener("blur", () => {
    number.setAttribute("aria-invalid", false);
    paintLeaves();
  });
  box.addEventListener("change", () => {
    if (box.checked) state.marked.add(name);
    else state.marked.delete(name);
    forget();
    choosePair();
    paint();
  });
  row.addEventListener("mouseenter", () => select(i));
  row.addEventListener("focusin", () => select(i));
  return { i, name, row, slider, number, box, slopeText };
}
function stretch(slider, range) {
  Object.assign(slider, { min: -range, max: range, step: range / 200 });
}
function change(name, x) {
  state.numbers[name] = x;
  forget();
  compute();
  paint();
}
function paintLeaves() {
  for (const { i, name, slider, number, box, slopeText } of rows) {
    const x = state.numbers[name];
    if (Math.abs(x) > Number(slider.max) && Number.isFinite(2 * x)) stretch(slider, 2 * Math.abs(x));
    if (document.activeElement !== slider && Number.isFinite(x)) slider.value = x;
    if (document.activeElement !== number) number.value = Number.isFinite(x) ? Number(x.toPrecision(8)) : "";
    box.checked = state.marked.has(name);
    put(slopeText, say`grad ${isReached(i) ? text(gradient(i), 4) : "?"}`);
    slopeText.title = isReached(i) ? gradient(i) : say`not known yet`;
  }
}
function markAll(isAll) {
  state.marked = new Set(isAll ? graph.leaves.map((i) => nodeAt(i).name) : []);
  forget();
  choosePair();
  paint();
}
const moving = () => graph.leaves.filter(isMarked).map((i) => nodeAt(i).name);

// ---- the table ------------------------------------------------------------------------------------------------------
const MOST_ROWS = 500;
const WHOLE_NAME = new RegExp(`^${NAME.source}$`, "u");
/** The table, or null where there is none. Where it cannot be read, it says why, and the table stays as it was. */
function readTable() {
  try {
    const table = tableOf($("table").value);
    const words = table && say`${table.rows} rows of ${table.names.join(", ")}: change them`;
    show("table-problem", "");
    show("table-summary", words ?? say`Paste a table`);
    return table;
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    show("table-problem", error.message);
    $("table-box").open = true;
    return state.table;
  }
}
/** Makes a table of a text: a line of names, and lines of numbers. */
function tableOf(words) {
  const [head, ...rest] = words.split("\n").filter((line) => line.trim()), rows = rest.length;
  const fail = (message) => {
    throw new TextError(message, 0);
  };
  if (!head) return null;
  const signOf = (line) => ["\t", ";", ","].find((sign) => line.includes(sign)) ?? ",";
  const cells = (line) => line.split(signOf(line)).map((cell) => cell.trim());
  const names = cells(head).map((name) => name.normalize("NFKC"));
  const wrong = names.find((name) => !WHOLE_NAME.test(name) || isFunction(name));
  const quoted = JSON.stringify; // "" is seen as well
  if (wrong !== undefined) fail(say`The first line has the names of the columns: ${quoted(wrong)} cannot be one.`);
  if (new Set(names).size < names.length) fail(say`Two columns have the same name.`);
  if (rows > MOST_ROWS) fail(say`The table has ${rows} rows; up to ${MOST_ROWS} are drawn and learned here.`);
  if (!rows) fail(say`Below the names stand the rows, one a line.`);
  const columns = Object.fromEntries(names.map((name) => [name, new Float64Array(rows)]));
  for (const [r, line] of rest.entries()) {
    const row = cells(line);
    if (row.length !== names.length) fail(say`Row ${r + 1} has ${row.length} cells, the first line ${names.length}.`);
    for (const [c, cell] of row.entries()) {
      const x = cell === "" ? NaN : Number(cell);
      if (!Number.isFinite(x)) fail(say`Row ${r + 1}, column ${names[c]}: ${quoted(cell)} is no number.`);
      columns[names[c]][r] = x;
    }
  }
  return { text: words, names, columns, rows };
}

// ---- gradient descent -----------------------------------------------------------------------------------------------
const MOST_STEPS = 2000;
let running = 0, ended = null; // the words that say why the run has ended, in the language of the page

function descend() {
  ended = null;
  const eta = Number($("eta").value);
  const isRate = $("eta").value.trim() !== "" && Number.isFinite(eta) && eta >= 0;
  $("eta").setAttribute("aria-invalid", !isRate);
  if (!isRate) return stopRun(() => say`η is a number of 0 or more.`);
  if (!moving().length) return stopRun(() => say`Tick θ at one leaf or more: these are what a step changes.`);
  const gradients = gradientsAfter(graph, run, steps, state.row, state.way).sums;
  const moved = new Map(), remembered = new Map();
  const update = UPDATES.get(state.optimizer);
  for (const i of graph.leaves.filter(isMarked)) {
    const { name } = nodeAt(i), before = memory.get(name) ?? Array(OPTIMIZER_TEXTS[state.optimizer].states).fill(0);
    const [x, ...after] = update(state.numbers[name], gradients[i], eta, ...before);
    if (!Number.isFinite(x)) {
      return stopRun(() => say`A gradient is undefined or infinite here: try a smaller η, or Reset.`);
    }
    moved.set(name, x);
    remembered.set(name, after);
  }
  if (!losses.length) {
    losses = [value(graph.root)];
    trail = [{ ...state.numbers }];
  }
  for (const [name, x] of moved) state.numbers[name] = x;
  memory = remembered;
  state.at = steps.length - 1;
  compute();
  const now = value(graph.root);
  losses.push(now);
  trail.push({ ...state.numbers });
  paint();
  const L = called(graph.root);
  if (!Number.isFinite(now)) return stopRun(() => say`${L} is ${text(now)} now: η is too large. Reset.`);
  if (hasDiverged()) {
    const [high, rate] = [text(now), text(eta)];
    return stopRun(
      () => say`${L} grows and grows, to ${high}: η = ${rate} is too large. Take a smaller one, and Reset.`,
    );
  }
  if (losses.length > MOST_STEPS) return stopRun(() => say`${MOST_STEPS} steps: enough for one run.`);
  return true;
}
/** Whether the loss has grown five times in a row, and to ten times what it was at first: it will not come back. */
function hasDiverged() {
  const last = losses.slice(-6), doesGrow = last.length > 5 && last.every((x, k) => !k || x > last[k - 1]);
  return doesGrow && last[5] - Math.min(...losses) > 10 * (Math.abs(losses[0]) + 1e-9);
}
/** Lets a screen reader read the words aloud, or not: twenty messages a second would help nobody. */
function speak(aloud) {
  for (const place of ["words", "progress"]) $(place).setAttribute("aria-live", aloud ? "polite" : "off");
}
function stopRun(why = null) {
  clearInterval(running);
  running = 0;
  speak(true);
  ended = why;
  paintDescent();
  return false;
}
function paintDescent() {
  const last = losses.length - 1, labels = graph.leaves.filter(isMarked).map(called);
  let words = say`Tick θ at a leaf to mark it as a parameter.`;
  if (labels.length) words = `θ: ${labels.slice(0, 6).join(", ")}${labels.length > 6 ? ", …" : ""}`;
  if (last > 0) {
    const L = called(graph.root), [from, to] = [losses[0], losses[last]].map((loss) => text(loss));
    words = last === 1 ? say`1 step: ${L} from ${from} to ${to}` : say`${last} steps: ${L} from ${from} to ${to}`;
  }
  show("progress", ended?.() ?? words);
  show("run", running ? say`Stop` : say`Run`);
  paintCurve();
}

// ---- Python ---------------------------------------------------------------------------------------------------------
function inPython(x) {
  if (!Number.isFinite(x)) return `float("${Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf"}")`;
  return Number.isInteger(x) && Math.abs(x) < 1e15 ? `${x}.0` : String(x);
}
const escaped = (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
const asString = (words) => JSON.stringify(words).replace(/[\u007f-\uffff]/g, escaped);
function pythonOf(i) {
  const { op, overRows, inputs, parameters, perRow } = nodeAt(i);
  const inBrackets = (x) => (x < 0 ? `(${inPython(x)})` : inPython(x));
  const write = (x) => (nodeAt(x).kind === "constant" ? inBrackets(nodeAt(x).number) : variable(x));
  if (overRows) return `tg.${overRows === "mean" ? "mean" : "total"}(${write(inputs[0])})`;
  const expression = textsOf(nodeAt(i)).python
    .replace(/⟦p(\d+)⟧/g, (_, k) => (op === "exponential" ? inBrackets : inPython)(parameters[k])) // the base
    .replace(/⟦(\d+)⟧/g, (_, k) => write(inputs[k]));
  if (!perRow) return expression;
  const lists = [...new Set(inputs.filter((x) => nodeAt(x).perRow).map(variable))].join(", ");
  return `[${expression} for ${lists} in ${lists.includes(",") ? `zip(${lists})` : lists}]`;
}
const RESERVED = new Set(page.reserved);
/** The name of a node as a variable: one that means something in Python gets underscores, until it is free. */
function variable(i) {
  let { name } = nodeAt(i);
  while (RESERVED.has(name) || (name !== nodeAt(i).name && graph.nodes.some((node) => node.name === name))) name += "_";
  return name;
}
function python() {
  const { nodes, root } = graph, lines = ["import tinygrad_edu as tg", ""];
  const own = [...new Set(nodes.filter(({ op }) => op && Object.hasOwn(OWN, op)).map(({ op }) => op))];
  if (own.length) lines.push(`# define ${own.join(", ")} here, as you did with tg.define_op`, "");
  for (const [i, node] of nodes.entries()) {
    if (node.kind === "data") lines.push(`${variable(i)} = [${[...run.values[i]].map(inPython).join(", ")}]`);
  }
  for (const i of graph.leaves) {
    const { name, label } = nodes[i];
    lines.push(`${variable(i)} = tg.Value(${inPython(state.numbers[name])}, label=${asString(label)})`);
  }
  const made = [...nodes.keys()].filter((i) => nodes[i].kind === "operation").sort(graph.byRank);
  const L = nodes[root].perRow ? `${variable(root)}[${state.row}]` : variable(root);
  const moved = graph.leaves.filter(isMarked).map(variable);
  lines.push("", ...made.map((i) => `${variable(i)} = ${pythonOf(i)}`));
  if (state.way !== "right") lines.push("", "# backward() of the package is right: gradients on the page are not");
  lines.push("", ...Array(state.passes).fill(`${L}.backward()`), `print("${variable(root)} =", ${L}.data)`);
  for (const i of graph.leaves) lines.push(`print("d${variable(root)}/d${variable(i)} =", ${variable(i)}.grad)`);
  if (moved.length) {
    const update = OPTIMIZER_TEXTS[state.optimizer].python, eta = inPython(Number($("eta").value));
    const optimizer = update.replace("⟦params⟧", () => moved.join(", ")).replace("⟦lr⟧", eta);
    lines.push("", "# one step of gradient descent", `optimizer = ${optimizer}`, "optimizer.step()");
  }
  return `${lines.join("\n")}\n`;
}

// ---- the address ----------------------------------------------------------------------------------------------------
const LONGEST_ADDRESS = 8000;
/** What differs from the page as it came, as the part of an address behind #; a link to it opens the same. */
function addressOf() {
  const came = page.state, parts = new URLSearchParams(), same = state.text === came.text;
  if (!same) parts.set("e", state.text);
  const table = state.table?.text ?? "";
  if (table !== (came.table ?? "")) parts.set("t", table);
  const leaves = graph.leaves.map((i) => nodeAt(i).name);
  const numbers = leaves.filter((name) => !same || Number(came.numbers[name]) !== state.numbers[name]);
  if (numbers.length) parts.set("n", numbers.map((name) => `${name}:${state.numbers[name]}`).join(","));
  const marked = moving(), markedBefore = leaves.filter((name) => came.marked?.includes(name));
  if (!same || marked.join() !== markedBefore.join()) parts.set("p", marked.join(","));
  if (state.optimizer !== (came.optimizer ?? "SGD")) parts.set("o", state.optimizer);
  if ($("eta").value !== String(came.eta ?? 0.1)) parts.set("eta", $("eta").value);
  if (state.passes !== (came.passes ?? 1)) parts.set("b", state.passes);
  if (state.way !== (came.way ?? "right")) parts.set("s", state.way);
  if (state.language) parts.set("lang", state.language);
  return parts.toString();
}
let saving = 0;
function saveAddress() {
  clearTimeout(saving);
  saving = setTimeout(() => {
    const address = addressOf();
    if (address.length > LONGEST_ADDRESS || address === location.hash.slice(1)) return;
    history.replaceState(null, "", address ? `#${address}` : location.href.split("#")[0]);
  }, 300);
}
function openAddress() {
  const parts = new URLSearchParams(location.hash.slice(1)), came = page.state, has = (key) => parts.has(key);
  const numbers = has("e") ? {} : { ...came.numbers };
  for (const part of (parts.get("n") ?? "").split(",")) {
    const [name, number] = part.split(":");
    if (name && number !== undefined && number !== "" && !Number.isNaN(Number(number))) numbers[name] = Number(number);
  }
  speakIn(/^(en|zh)/.exec(parts.get("lang"))?.[0]);
  open({
    ...came,
    text: parts.get("e") ?? came.text,
    numbers,
    table: parts.get("t") ?? came.table,
    marked: has("p") ? parts.get("p").split(",") : has("e") ? [] : came.marked,
    optimizer: parts.get("o") ?? came.optimizer,
    eta: parts.get("eta") ?? came.eta,
    passes: parts.get("b") ?? came.passes,
    way: parts.get("s") ?? came.way,
  });
}

// ---- the language ---------------------------------------------------------------------------------------------------
/** All words that are written in the page, each with what puts others in their place. */
function wordsOf(page) {
  const found = [];
  for (const place of page.querySelectorAll("title, body :not(script, noscript)")) {
    for (const name of ["aria-label", "title"].filter((name) => place.hasAttribute(name))) {
      found.push({ words: place.getAttribute(name), write: (words) => place.setAttribute(name, words) });
    }
    for (const text of [...place.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE)) {
      const [, before, words, after] = /^(\s*)([^]*?)(\s*)$/.exec(text.data);
      if (words) found.push({ words, write: (words) => (text.data = `${before}${words}${after}`) });
    }
  }
  return found;
}
/** Writes the page in a language: the one that is asked for, "en" or "zh", else that of the browser. */
function speakIn(asked) {
  state.language = asked;
  language = asked ?? (navigator.language.startsWith("zh") ? "zh" : "en");
  const [here, other, name] = language === "zh" ? ["zh-Hans", "en", "English"] : ["en", "zh-Hans", "中文"];
  document.documentElement.lang = here;
  for (const { words, write } of WRITTEN) write(translated(words.replace(/\s+/g, " ")));
  show("language", name);
  $("language").lang = other;
}
/** Another language: all is said again, and nothing else changes. */
function changeLanguage() {
  speakIn(language === "zh" ? "en" : "zh");
  if (wrongAt !== undefined) read();
  else {
    readTable();
    show("problem", notes());
  }
  show("done", "");
  paintSizes();
  paintPlay();
  makeLeaves();
  paint();
}

// ---- everything together, and the controls --------------------------------------------------------------------------
function paint() {
  paintGraph();
  paintText();
  paintWords();
  paintNode();
  paintLeaves();
  paintDescent();
  paintPlots();
  hideUnknown();
  $("python").value = python();
  saveAddress();
}
function go(to) {
  state.at = Math.min(Math.max(to, 0), steps.length - 1);
  selected = steps[state.at].node ?? selected;
  arrive();
  paintGraph();
  paintText();
  paintWords();
  paintNode();
  paintLeaves();
  hideUnknown();
  intoView(selected);
}

let playing = 0;
function pause() {
  clearInterval(playing);
  playing = 0;
  paintPlay();
}
function paintPlay() {
  show("play", playing ? "❚❚" : "▶");
  $("play").setAttribute("aria-label", playing ? say`Pause` : say`Play`);
}
function play() {
  if (playing) return pause();
  if (state.at === steps.length - 1) go(0);
  const tick = () => (state.at < steps.length - 1 ? go(state.at + 1) : pause());
  playing = setInterval(tick, Math.min(Math.max(30000 / steps.length, 80), 1100));
  paintPlay();
}
function byHand(to) {
  pause();
  go(to);
}
async function copy(words, done) {
  try {
    await navigator.clipboard.writeText(words);
  } catch {
    const place = element("textarea", {}, words); // a browser may not give the clipboard to a page from a file
    document.body.append(place);
    place.select();
    document.execCommand("copy");
    place.remove();
  }
  put(done, say`Copied.`);
  setTimeout(() => put(done, ""), 2000);
}
const onClick = (id, act) => $(id).addEventListener("click", act);
const onChange = (id, act) => $(id).addEventListener("change", act);
onClick("first", () => byHand(0));
onClick("back", () => byHand(state.at - 1));
onClick("forward", () => byHand(state.at + 1));
onClick("last", () => byHand(steps.length - 1));
onClick("play", play);
$("step").addEventListener("input", () => byHand(Number($("step").value)));
onClick("smaller", () => zoom(scale / 1.25));
onClick("larger", () => zoom(scale * 1.25));
onClick("fit", () => fit(0));
onClick("all", () => markAll(true));
onClick("none", () => markAll(false));
onClick("random", () => {
  for (const name of moving()) state.numbers[name] = Math.round((Math.random() * 2 - 1) * 1000) / 1000;
  forget();
  compute();
  paint();
});
onClick("descend", () => {
  stopRun();
  descend();
});
onClick("run", () => {
  if (running) return stopRun();
  if (!descend()) return;
  speak(false);
  running = setInterval(descend, 50);
  paintDescent();
});
onClick("reset", () => {
  stopRun();
  Object.assign(state.numbers, state.original);
  state.at = 0;
  forget();
  compute();
  makeLeaves();
  paint();
});
$("eta").addEventListener("input", () => {
  $("python").value = python();
  saveAddress();
});
onChange("optimizer", () => {
  state.optimizer = $("optimizer").value;
  memory = new Map();
  paint();
});
onChange("log", () => {
  state.isLog = $("log").checked;
  paintCurve();
});
onChange("passes", () => {
  state.passes = Number($("passes").value);
  makeSteps();
  go(0);
  paint();
});
onChange("way", () => {
  state.way = $("way").value;
  makeSteps();
  go(0);
  paint();
});
$("row").addEventListener("input", () => {
  const r = Number($("row").value);
  if (!Number.isInteger(r) || r < 1 || r > rowsOf()) return;
  state.row = r - 1;
  arrive();
  paint();
});
onChange("across", paintLandscape);
onChange("up", paintLandscape);
let typing = 0;
function readSoon() {
  clearTimeout(typing);
  typing = setTimeout(() => {
    stopRun();
    read();
  }, 250);
}
$("text").addEventListener("input", () => {
  wrongAt = undefined;
  paintText();
  readSoon();
});
$("text").addEventListener("scroll", () => ($("shown").scrollTop = $("text").scrollTop));
$("table").addEventListener("input", readSoon);
onChange("examples", () => open([page.state, ...page.examples][$("examples").selectedIndex]));
onClick("large", () => {
  const isOn = document.documentElement.classList.toggle("large");
  $("large").setAttribute("aria-pressed", isOn);
  drawGraph();
  paint();
});
onClick("language", changeLanguage);
onClick("link", () => {
  const address = addressOf();
  if (address.length > LONGEST_ADDRESS) return show("done", say`Too long for a link: send the file.`);
  copy(`${location.href.split("#")[0]}${address ? `#${address}` : ""}`, $("done"));
});
onClick("copy", () => copy($("python").value, $("copied")));
onClick("picture", savePicture);
addEventListener("hashchange", () => {
  if (location.hash.slice(1) !== addressOf()) openAddress();
});
let windowWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === windowWidth) return; // the keyboard of a phone
  windowWidth = innerWidth;
  drawGraph();
  paint();
});
document.addEventListener("keydown", (event) => {
  const isTyped = event.target.matches("input, textarea, select, summary");
  if (event.altKey || event.ctrlKey || event.metaKey || isTyped) return;
  const isGraph = picture.contains(event.target);
  const moves = { ArrowRight: state.at + 1, ArrowLeft: state.at - 1, Home: 0, End: steps.length - 1 };
  if (event.key in moves) byHand(moves[event.key]);
  else if (isGraph && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const next = boxes[layout.boxOf[selected] + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) next.drawn.focus();
  } else if (event.key === " " && !event.target.matches("button")) play();
  else return;
  event.preventDefault();
});

$("examples").append(...[page.state, ...page.examples].map(({ title }) => element("option", {}, title)));
$("optimizer").append(...Object.keys(OPTIMIZER_TEXTS).map((name) => element("option", { value: name }, name)));
const WRITTEN = wordsOf(document);
openAddress();
intoView(selected);

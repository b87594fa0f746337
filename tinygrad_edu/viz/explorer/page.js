// How the page reacts. It computes no value and no derivative itself: `tape`, above, does.
const page = JSON.parse(document.getElementById("data").textContent);
const nodes = page.nodes, root = nodes.length - 1;
const leaves = [...nodes.keys()].filter((i) => nodes[i].kind === "leaf");
const $ = (id) => document.getElementById(id);

// ---- the graph: which node uses which, how far it is from the leaves, where its box is ------------------------------
let slots = 0; // places of the local derivatives among the results
const uses = nodes.map(() => []); // for each node the [node, input number] where it is an input
const rank = [];
nodes.forEach((node, i) => {
  node.first = slots;
  slots += node.inputs.length;
  rank[i] = 1 + Math.max(-1, ...node.inputs.map((x) => rank[x]));
  node.inputs.forEach((x, k) => uses[x].push([i, k]));
});
const boxOf = [];
page.boxes.forEach((box, b) => box.nodes.forEach((i) => (boxOf[i] = b)));
const topOf = (i) => page.boxes[boxOf[i]].y;
const operations = [...nodes.keys()].filter((i) => nodes[i].kind === "operation");
operations.sort((i, j) => rank[i] - rank[j] || topOf(i) - topOf(j) || i - j);
const steps = [
  { kind: "start" },
  ...operations.map((node) => ({ kind: "forward", node })),
  { kind: "seed", node: root },
  ...operations.toReversed().map((node) => ({ kind: "backward", node })),
];
const seed = operations.length + 1; // the step at which the backward pass begins
const turn = nodes.map(() => 0); // the steps at which a node is computed, and passes its gradient back
const turnBack = nodes.map(() => Infinity);
steps.forEach((step, t) => {
  if (step.kind === "forward") turn[step.node] = t;
  if (step.kind === "backward") turnBack[step.node] = t;
});

// ---- the state of the page, and what follows from it ----------------------------------------------------------------
const original = leaves.map((i) => Number(nodes[i].data));
const marked = new Set(page.marked);
let numbers = [...original];
let at = steps.length - 1;
let selected = steps[at].node ?? root; // where the step that is shown happens
let losses = [];
let results;

const value = (i) => results[i];
const slope = (i, k) => results[nodes.length + nodes[i].first + k];
const gradient = (i) => results[nodes.length + slots + i];
const compute = () => (results = tape(...numbers));

/** The gradients as far as the backward pass has come at a step, and how many terms of each sum have arrived. */
function soFar(t) {
  const sums = nodes.map(() => 0), terms = nodes.map(() => 0);
  if (t >= seed) sums[root] = 1;
  for (const { kind, node } of steps.slice(0, t + 1)) {
    if (kind !== "backward") continue;
    nodes[node].inputs.forEach((x, k) => {
      sums[x] += sums[node] * slope(node, k);
      if (++terms[x] === uses[x].length) sums[x] = gradient(x);
    });
  }
  return { sums, terms };
}

// ---- numbers and formulas as text -----------------------------------------------------------------------------------
function text(x, digits = 6) {
  if (Number.isNaN(x)) return "undefined";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  const size = Math.abs(x), isPlain = size === 0 || (size >= 10 ** (2 - digits) && size < 10 ** digits);
  const written = isPlain ? String(Number(x.toPrecision(digits)) + 0) : x.toExponential(digits - 3);
  return written.replace("e+", "e").replaceAll("-", "−");
}
const bracketed = (x) => (x < 0 ? `(${text(x)})` : text(x));
const name = (i) => (nodes[i].kind === "constant" ? bracketed(value(i)) : nodes[i].name);
const short = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);
const partial = (i, x) => `∂${name(i)}/∂${name(x)}`;

/** A formula whose gaps ⟦0⟧, ⟦1⟧, …, ⟦y⟧ are filled with the inputs and the output of a node. */
function filled(template, i, write) {
  return template
    .replace(/⟦[^⟧]*…$/, "…")
    .replace(/⟦(\d+|y)⟧/g, (gap, k) => write(k === "y" ? i : nodes[i].inputs[k]));
}
const formula = (i, write) => filled(nodes[i].formula, i, write);
/** A local derivative as a formula, "" if it is only a number. */
function slopeFormula(i, k) {
  const words = filled(nodes[i].slopes[k], i, name), number = slope(i, k);
  return words === text(number) || words === bracketed(number) ? "" : words;
}
/** The inputs that are no constants, each with its place among the inputs. */
const variables = (i) => [...nodes[i].inputs.entries()].filter(([, x]) => nodes[x].kind !== "constant");
const withNumbers = (x) => bracketed(value(x));

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

// ---- the picture ----------------------------------------------------------------------------------------------------
const graph = $("graph");
const [width, height] = page.size;
const layer = shape("g", { transform: `translate(${page.shift.join(" ")})` });
graph.append(layer);
const edges = page.edges.map(({ of, line, head }) => {
  const drawn = shape("g", { class: "edge" }, shape("path", { d: line }), shape("polygon", { points: head }));
  layer.append(drawn);
  return { of, drawn };
});
/** Puts as much of the words as there is room for, in units of the picture. */
function fitted(where, words, room, cut = short) {
  let most = Math.min(words.length, 60);
  do where.textContent = most < words.length ? cut(words, most) : words;
  while (where.getComputedTextLength() > room && --most > 1);
}
const output = (box) => box.nodes.reduce((best, i) => (rank[i] >= rank[best] ? i : best), box.nodes[0]);
const boxes = page.boxes.map((box) => {
  const shown = output(box), node = nodes[shown], { x, y, w, h } = box;
  const parts = {
    frame: shape("rect", { class: "frame", x, y, width: w, height: h, rx: { leaf: 12, constant: 13 }[node.kind] ?? 3 }),
    heading: shape("text", { class: "title", x: x + 8, y: y + 17 }),
    sign: shape("text", { class: "sign", x: x + w - 8, y: y + 17 }),
    numbers: shape("text", { class: "numbers", x: x + 8, y: y + 34 }),
    slope: shape("text", { class: "slope", x: x + 8, y: y + 50 }),
    part: shape("text", { class: "part", x: x + w - 8, y: y + 50 }),
    size: shape("rect", { class: "size", x: x + 3, y: y + h - 5, height: 3, width: 0 }),
  };
  const drawn = shape("g", { role: "button", tabindex: -1 }, ...Object.values(parts));
  if (node.kind === "constant" && !box.title) {
    parts.heading.setAttribute("x", x + w / 2);
    drawn.replaceChildren(parts.frame, parts.heading);
  }
  const choose = () => select(box.nodes.includes(selected) ? selected : shown);
  drawn.addEventListener("mouseenter", choose);
  drawn.addEventListener("focus", choose);
  drawn.addEventListener("click", () => drawn.focus());
  layer.append(drawn);
  if (box.title) fitted(parts.heading, box.title, w - 16, (words, most) => `…${words.slice(1 - most)}`);
  else {
    fitted(parts.sign, node.symbol, w / 2);
    fitted(parts.heading, node.name, w - 22 - parts.sign.getComputedTextLength());
  }
  return { ...box, shown, drawn, ...parts };
});

function paintGraph() {
  const { sums, terms } = soFar(at);
  const step = steps[at], isBack = step.kind === "backward" || step.kind === "seed";
  const largest = Math.max(...nodes.map((_, i) => (nodes[i].kind === "constant" ? 0 : Math.abs(sums[i]) || 0)));
  for (const { shown, drawn, heading, numbers: values, slope: slopes, part, size, w, ...box } of boxes) {
    const node = nodes[shown], isGroup = box.nodes.length > 1;
    const known = turn[shown] <= at, isFixed = node.kind === "constant";
    const reached = !isFixed && at >= seed && (shown === root || terms[shown] > 0);
    drawn.setAttribute(
      "class",
      [
        "box",
        isGroup ? "group" : marked.has(shown) ? "parameter" : node.kind,
        shown === root && "root",
        !known && "waiting",
        box.nodes.includes(step.node) && "active",
        isBack && "returning",
        box.nodes.includes(selected) && "selected",
      ].filter(Boolean).join(" "),
    );
    drawn.setAttribute("tabindex", box.nodes.includes(selected) ? 0 : -1);
    const called = isGroup ? `${box.title}, ${box.nodes.length} nodes, output ${node.name}` : name(shown);
    const spoken = [called, node.operation || node.kind];
    drawn.dataset.node = shown;
    drawn.dataset.value = known ? value(shown) : "";
    drawn.dataset.gradient = reached ? sums[shown] : "";
    if (isFixed && isGroup) put(values, `${box.nodes.length} nodes`);
    else if (isFixed) put(heading, text(value(shown), 5));
    else {
      put(values, known ? `data ${text(value(shown), 5)}` : "data ?");
      put(slopes, reached ? `grad ${text(sums[shown], 5)}` : "");
      const many = uses[shown].length;
      put(part, many > 1 && terms[shown] ? (terms[shown] < many ? `Σ ${terms[shown]}/${many}` : `Σ ${many}`) : "");
      size.setAttribute("width", reached && largest ? ((w - 6) * Math.abs(sums[shown])) / largest || 0 : 0);
      if (known) spoken.push(`data ${text(value(shown))}`);
      if (reached) spoken.push(`gradient ${text(sums[shown])}${many > 1 ? `, ${terms[shown]} of ${many} terms` : ""}`);
    }
    drawn.setAttribute("aria-label", spoken.join(", "));
  }
  const after = new Set([selected]); // the nodes on the paths from the selected one to the root
  for (let i = selected; i <= root; i++) if (nodes[i].inputs.some((x) => after.has(x))) after.add(i);
  for (const { of, drawn } of edges) {
    const isNow = of.some(([i]) => i === step.node) && step.kind !== "seed";
    const isPath = of.some(([i, k]) => after.has(nodes[i].inputs[k]));
    drawn.setAttribute("class", `edge${isNow ? (isBack ? " returning" : " active") : isPath ? " path" : ""}`);
  }
}

let scale = 1;
function zoom(to) {
  scale = Math.min(Math.max(to, 0.15), 3);
  graph.setAttribute("viewBox", `0 0 ${width} ${height}`);
  graph.setAttribute("width", width * scale);
  graph.setAttribute("height", height * scale);
}
function fit(least) {
  const scroller = $("scroller");
  zoom(Math.max(least, Math.min(1.4, scroller.clientWidth / width, (innerHeight * 0.6) / height)));
}
function intoView(i) {
  const scroller = $("scroller"), { x, y, w, h } = page.boxes[boxOf[i]];
  const left = (x + page.shift[0]) * scale, top = (y + page.shift[1]) * scale;
  const moved = (from, size, low, high) => (low < from ? low - 20 : high > from + size ? high - size + 20 : from);
  scroller.scrollTo(
    moved(scroller.scrollLeft, scroller.clientWidth, left, left + w * scale),
    moved(scroller.scrollTop, scroller.clientHeight, top, top + h * scale),
  );
}

// ---- the step in words and numbers ----------------------------------------------------------------------------------
const MOST_LINES = 100;

function sentence() {
  const { kind, node } = steps[at];
  if (kind === "start") return ["The leaves have their numbers. The forward pass computes node after node.", []];
  const L = name(root);
  if (kind === "forward") {
    const numbers = formula(node, withNumbers);
    const why = Number.isNaN(value(node)) ? [`${nodes[node].operation} is not defined at these numbers.`] : [];
    return [`Forward: ${name(node)} = ${formula(node, name)} = ${numbers} = ${text(value(node))}`, why];
  }
  if (kind === "seed") return [`Backward: ∂${L}/∂${L} = 1. From here gradients flow back to the leaves.`, []];
  const { sums } = soFar(at), before = soFar(at - 1).sums;
  const sum = new Map();
  const lines = variables(node).map(([k, x]) => {
    const slopeText = slopeFormula(node, k);
    const term = sums[node] * slope(node, k);
    sum.set(x, (sum.get(x) ?? before[x]) + term);
    const because = slopeText && `, as ${partial(node, x)} = ${slopeText}`;
    const total = uses[x].length > 1 ? `, in sum ${text(sum.get(x))}` : "";
    return (
      `${partial(root, x)} += ${partial(root, node)} · ${partial(node, x)} = ` +
      `${bracketed(sums[node])} × ${bracketed(slope(node, k))} = ${text(term)}${total}${because}`
    );
  });
  const constants = nodes[node].inputs.filter((x) => nodes[x].kind === "constant").map(name);
  if (constants.length) lines.push(`No gradient for ${constants.slice(0, 8).join(", ")}: constant.`);
  const passed = `${partial(root, node)} = ${text(sums[node])}`;
  return [`Backward: ${name(node)} = ${formula(node, name)} passes ${passed} on`, lines];
}
function paintWords() {
  const [head, lines] = sentence();
  const more = lines.length > MOST_LINES ? [element("li", {}, `and ${lines.length - MOST_LINES} more`)] : [];
  const items = lines.slice(0, MOST_LINES).map((line) => element("li", {}, line));
  const list = element("ul", { class: "scroll" }, ...items, ...more);
  $("words").replaceChildren(element("b", {}, head), ...(lines.length ? [list] : []));
  $("step").value = at;
  $("step").setAttribute("aria-valuetext", `${at} of ${steps.length - 1}: ${head}`);
  put($("count"), `${at} / ${steps.length - 1}`);
}

// ---- one node in detail ---------------------------------------------------------------------------------------------
const MOST_PATHS = 6, MOST_MEMBERS = 300;

/** The paths from a node to the root, as lists of [node, input number], and how many there are in all. */
function paths(from) {
  const many = nodes.map(() => 0);
  many[root] = 1;
  for (let i = root; i > from; i--) nodes[i].inputs.forEach((x) => (many[x] += many[i]));
  const found = [], stack = [[from, []]];
  while (stack.length && found.length < MOST_PATHS) {
    const [i, path] = stack.pop();
    if (i === root) found.push(path);
    else for (const [j, k] of uses[i].toReversed()) stack.push([j, [...path, [j, k]]]);
  }
  return { many: many[from], found };
}
function paintNode() {
  const i = selected, node = nodes[i], box = boxes[boxOf[i]];
  const rows = [["name", node.name]];
  if (node.label && node.label !== node.name) rows.push(["label", node.label]);
  if (node.kind === "operation") {
    rows.push(["operation", node.operation], ["formula", `${node.name} = ${formula(i, name)}`]);
    rows.push(["numbers", `${node.name} = ${formula(i, withNumbers)}`]);
  } else rows.push(["kind", marked.has(i) ? "leaf, a parameter θ" : node.kind]);
  rows.push(["data", text(value(i)), value(i)]);
  if (node.kind !== "constant") rows.push(["gradient", `${partial(root, i)} = ${text(gradient(i))}`, gradient(i)]);
  const details = element("dl");
  const row = (term, ...content) => details.append(element("dt", {}, term), element("dd", {}, ...content));
  for (const [term, words, exact] of rows) {
    row(term, exact === undefined ? words : element("span", { title: String(exact) }, words));
  }
  const slopes = variables(i).slice(0, 40).map(([k, x]) => {
    const words = slopeFormula(i, k), number = text(slope(i, k));
    return element("li", {}, `${partial(i, x)} = ${words ? `${words} = ${number}` : number}`);
  });
  if (slopes.length) row("local derivatives", element("ul", {}, ...slopes));
  if (i !== root && node.kind !== "constant") {
    const { many, found } = paths(i);
    const items = found.map((path) => {
      const chain = [i, ...path.map(([j]) => j)].map(name).join(" → ");
      const product = path.reduce((product, [j, k]) => product * slope(j, k), 1);
      const factors = path.map(([j, k]) => bracketed(slope(j, k))).join(" × ");
      return element("li", {}, `${short(chain, 300)}: ${short(factors, 300)} = ${text(product)}`);
    });
    const more = many > found.length ? [element("li", {}, `and ${text(many - found.length)} more`)] : [];
    const title = many > 1 ? `paths to ${name(root)}: ${text(many)}` : `path to ${name(root)}`;
    row(title, element("ul", {}, ...items, ...more));
  }
  const members = element("div", { class: "members", role: "group", "aria-label": `Nodes of ${box.title}` });
  if (box.nodes.length > 1) {
    if (box.nodes.length > MOST_MEMBERS) members.append(`The last ${MOST_MEMBERS} of ${box.nodes.length}: `);
    for (const j of box.nodes.slice(-MOST_MEMBERS)) {
      const button = element("button", { type: "button", "aria-pressed": j === i }, short(name(j), 24));
      button.addEventListener("click", () => {
        select(j);
        $("node").querySelector("[aria-pressed=true]")?.focus();
      });
      members.append(button);
    }
  }
  $("node").replaceChildren(...(box.nodes.length > 1 ? [element("p", {}, `In ${box.title}:`), members] : []), details);
}
function select(i) {
  if (i === selected && $("node").childElementCount) return;
  selected = i;
  paintGraph();
  paintNode();
}

// ---- the leaves -----------------------------------------------------------------------------------------------------
const order = leaves.map((_, p) => p);
order.sort((p, q) => {
  const a = boxes[boxOf[leaves[p]]], b = boxes[boxOf[leaves[q]]];
  return a.x - b.x || a.y - b.y || leaves[q] - leaves[p];
});
const rows = [];
for (const p of order) {
  const i = leaves[p], node = nodes[i], reach = Math.max(2, 2 * Math.abs(original[p])) || 2;
  const range = Number.isFinite(reach) ? reach : 10;
  const slider = element("input", { type: "range", "aria-label": `${node.name}, slider` });
  stretch(slider, range);
  const number = element("input", { type: "number", step: "any", "aria-label": `${node.name}, number` });
  const box = element("input", { type: "checkbox", "aria-label": `${node.name} is a parameter` });
  const slopeText = element("span", { class: "gradient" });
  box.checked = marked.has(i);
  const title = element("span", { class: "name", title: node.label || node.name }, node.name);
  const row = element("div", { class: "leaf-row" }, title, element("label", {}, box, " θ"), number, slider, slopeText);
  row.dataset.leaf = i;
  slider.addEventListener("input", () => change(p, Number(slider.value)));
  number.addEventListener("input", () => {
    const isNumber = number.value.trim() !== "" && Number.isFinite(Number(number.value));
    number.setAttribute("aria-invalid", !isNumber);
    if (isNumber) change(p, Number(number.value), number);
  });
  number.addEventListener("blur", () => {
    number.setAttribute("aria-invalid", false);
    paintLeaves();
  });
  box.addEventListener("change", () => {
    if (box.checked) marked.add(i);
    else marked.delete(i);
    losses = [];
    paint();
  });
  row.addEventListener("mouseenter", () => select(i));
  row.addEventListener("focusin", () => select(i));
  $("leaves").append(row);
  rows.push({ p, i, slider, range, number, slopeText });
}
function stretch(slider, range) {
  Object.assign(slider, { min: -range, max: range, step: range / 200 });
}
function change(p, x) {
  numbers[p] = x;
  losses = [];
  compute();
  paint();
}
function paintLeaves() {
  for (const { p, i, slider, number, slopeText } of rows) {
    const x = numbers[p];
    if (Math.abs(x) > Number(slider.max) && Number.isFinite(2 * x)) stretch(slider, 2 * Math.abs(x));
    if (document.activeElement !== slider && Number.isFinite(x)) slider.value = x;
    if (document.activeElement !== number) number.value = Number.isFinite(x) ? x : "";
    put(slopeText, `grad ${text(gradient(i), 5)}`);
    slopeText.title = gradient(i);
  }
}

// ---- gradient descent -----------------------------------------------------------------------------------------------
const MOST_STEPS = 2000;
let running = 0;

function descend() {
  const eta = Number($("eta").value);
  const isRate = $("eta").value.trim() !== "" && Number.isFinite(eta) && eta >= 0;
  $("eta").setAttribute("aria-invalid", !isRate);
  if (!isRate) return stopRun("η is a number of 0 or more.");
  if (!marked.size) return stopRun("Tick θ at one leaf or more: these are what a step changes.");
  const moved = leaves.map((i, p) => (marked.has(i) ? numbers[p] - eta * gradient(i) : numbers[p]));
  if (!moved.every((x, p) => Number.isFinite(x) || !marked.has(leaves[p]))) {
    return stopRun(`A gradient is undefined or infinite here: try a smaller η, or Reset.`);
  }
  if (!losses.length) losses = [value(root)];
  numbers = moved;
  compute();
  losses.push(value(root));
  paint();
  if (!Number.isFinite(value(root))) {
    return stopRun(`${name(root)} is ${text(value(root))} now: η is too large. Reset.`);
  }
  if (losses.length > MOST_STEPS) return stopRun(`${MOST_STEPS} steps: enough for one run.`);
  return true;
}
/** Lets a screen reader read the words aloud, or not: twenty messages a second would help nobody. */
function speak(aloud) {
  for (const place of ["words", "progress"]) $(place).setAttribute("aria-live", aloud ? "polite" : "off");
}
function stopRun(words) {
  clearInterval(running);
  running = 0;
  put($("run"), "Run");
  speak(true);
  if (words) put($("progress"), words);
  return false;
}
function paintDescent() {
  const curve = $("curve"), last = losses.length - 1;
  curve.replaceChildren();
  put(
    $("progress"),
    last < 0
      ? marked.size
        ? `θ: ${[...marked].slice(0, 6).map(name).join(", ")}${marked.size > 6 ? ", …" : ""}`
        : "Tick θ at a leaf to mark it as a parameter."
      : `${last} step${last === 1 ? "" : "s"}: ${name(root)} from ${text(losses[0])} to ${text(losses[last])}`,
  );
  curve.setAttribute("aria-label", last < 0 ? "Loss curve, empty" : `Loss curve: ${$("progress").textContent}`);
  const finite = losses.filter(Number.isFinite);
  curve.style.display = finite.length > 1 ? "block" : "none";
  if (finite.length < 2) return;
  const low = Math.min(...finite), high = Math.max(...finite);
  const share = (loss) => (loss / 2 - low / 2) / (high / 2 - low / 2); // halves: the difference itself may overflow
  const x = (k) => 12 + (k / last) * 290, y = (loss) => (high > low ? 106 - share(loss) * 84 : 64);
  const points = losses.map((loss, k) => (Number.isFinite(loss) ? `${x(k).toFixed(1)},${y(loss).toFixed(1)}` : ""));
  curve.append(
    shape("line", { x1: 12, x2: 302, y1: 110, y2: 110 }),
    shape("line", { x1: 12, x2: 12, y1: 16, y2: 110 }),
    shape("text", { x: 16, y: 12 }, `${short(name(root), 12)}: ${text(high)} at most, ${text(low)} at least`),
    shape("text", { x: 302, y: 126, "text-anchor": "end" }, `step ${last}`),
    shape("text", { x: 12, y: 126 }, "step 0"),
    shape("polyline", { points: points.join(" ") }),
  );
  if (Number.isFinite(losses[last])) curve.append(shape("circle", { cx: x(last), cy: y(losses[last]), r: 3.5 }));
}

// ---- Python ---------------------------------------------------------------------------------------------------------
function python() {
  const number = (x) => {
    if (!Number.isFinite(x)) return `float("${Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf"}")`;
    return Number.isInteger(x) && Math.abs(x) < 1e15 ? `${x}.0` : String(x);
  };
  const called = (i) => nodes[i].python[0];
  const lines = ["import tinygrad_edu as tg", ""];
  if (page.own.length) lines.push(`# define ${page.own.join(", ")} here, as you did with tg.define_op`, "");
  for (const p of order) {
    const i = leaves[p], label = nodes[i].literal;
    lines.push(`${called(i)} = tg.Value(${number(numbers[p])}${label ? `, label=${label}` : ""})`);
  }
  lines.push("");
  for (const i of operations) lines.push(`${called(i)} = ${nodes[i].python[1]}`);
  lines.push("", `${called(root)}.backward()`, `print("${called(root)} =", ${called(root)}.data)`);
  for (const p of order) lines.push(`print("d${called(root)}/d${called(leaves[p])} =", ${called(leaves[p])}.grad)`);
  const parameters = order.map((p) => leaves[p]).filter((i) => marked.has(i)).map(called);
  if (parameters.length) {
    lines.push("", "# one step of gradient descent", `for p in [${parameters.join(", ")}]:`);
    lines.push(`    p.data -= ${number(Number($("eta").value) || 0)} * p.grad`);
  }
  return `${lines.join("\n")}\n`;
}

// ---- everything together, and the controls --------------------------------------------------------------------------
function paint() {
  paintGraph();
  paintWords();
  paintNode();
  paintLeaves();
  paintDescent();
  $("python").value = python();
}
function go(to) {
  at = Math.min(Math.max(to, 0), steps.length - 1);
  selected = steps[at].node ?? selected;
  paintGraph();
  paintWords();
  paintNode();
  intoView(selected);
}

let playing = 0;
function pause() {
  clearInterval(playing);
  playing = 0;
  put($("play"), "▶");
  $("play").setAttribute("aria-label", "Play");
}
function play() {
  if (playing) return pause();
  if (at === steps.length - 1) go(0);
  const tick = () => (at < steps.length - 1 ? go(at + 1) : pause());
  playing = setInterval(tick, Math.min(Math.max(30000 / steps.length, 80), 1100));
  put($("play"), "❚❚");
  $("play").setAttribute("aria-label", "Pause");
}
function byHand(to) {
  pause();
  go(to);
}
$("first").addEventListener("click", () => byHand(0));
$("back").addEventListener("click", () => byHand(at - 1));
$("forward").addEventListener("click", () => byHand(at + 1));
$("last").addEventListener("click", () => byHand(steps.length - 1));
$("play").addEventListener("click", play);
$("step").addEventListener("input", () => byHand(Number($("step").value)));
$("smaller").addEventListener("click", () => zoom(scale / 1.25));
$("larger").addEventListener("click", () => zoom(scale * 1.25));
$("fit").addEventListener("click", () => fit(0));
$("descend").addEventListener("click", () => {
  stopRun();
  descend();
});
$("run").addEventListener("click", () => {
  if (running) return stopRun();
  if (!descend()) return;
  put($("run"), "Stop");
  speak(false);
  running = setInterval(descend, 50);
});
$("reset").addEventListener("click", () => {
  stopRun();
  numbers = [...original];
  losses = [];
  for (const { slider, range } of rows) stretch(slider, range);
  compute();
  paint();
});
$("eta").addEventListener("input", () => ($("python").value = python()));
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("python").value);
  } catch {
    $("python").select(); // a browser may not give the clipboard to a page from a file
    document.execCommand("copy");
  }
  put($("copied"), "Copied.");
  setTimeout(() => put($("copied"), ""), 2000);
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, textarea")) return;
  const isGraph = graph.contains(event.target);
  const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: steps.length - 1 };
  if (event.key in moves) byHand(moves[event.key]);
  else if (isGraph && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const next = boxes[boxOf[selected] + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) next.drawn.focus();
  } else if (event.key === " " && !event.target.matches("button")) play();
  else return;
  event.preventDefault();
});

for (const where of document.querySelectorAll(".root-name")) where.textContent = short(name(root), 16);
$("step").max = steps.length - 1;
$("summary").textContent =
  `${name(root)}: ${nodes.length} node${nodes.length === 1 ? "" : "s"}, ${leaves.length} of them leaves` +
  (boxes.length < nodes.length ? `; collapsed into ${boxes.length} boxes` : "");
compute();
paint();
fit(innerWidth > 960 ? 0.65 : 0.85); // smaller cannot be read: then the graph is scrolled
intoView(selected);

// Pictures beside the graph: the curve of the losses, the data with what is predicted, and the loss as a landscape over
// two parameters with the trail of the descent. All are SVG; what is computed for them is done by engine.js.

const CURVE = { width: 320, height: 130 };
function paintCurve() {
  const curve = $("curve"), last = losses.length - 1, L = called(graph.root);
  curve.replaceChildren();
  curve.setAttribute("aria-label", last < 0 ? say`Loss curve, empty` : say`Loss curve: ${$("progress").textContent}`);
  const finite = losses.filter(Number.isFinite);
  curve.style.display = finite.length > 1 ? "block" : "none";
  if (finite.length < 2) return;
  const canLog = finite.every((loss) => loss > 0), isLog = state.isLog && canLog;
  const scaled = (loss) => (isLog ? Math.log10(loss) : loss / 2); // halves: the difference itself may overflow
  const low = Math.min(...finite), high = Math.max(...finite);
  const share = (loss) => (scaled(loss) - scaled(low)) / (scaled(high) - scaled(low));
  const x = (k) => 12 + (k / last) * 290, y = (loss) => (high > low ? 106 - share(loss) * 84 : 64);
  const points = losses.map((loss, k) => (Number.isFinite(loss) ? `${x(k).toFixed(1)},${y(loss).toFixed(1)}` : ""));
  let note = say`${short(L, 12)}: ${text(high)} at most, ${text(low)} at least`;
  if (state.isLog) note = canLog ? say`${note}, log` : say`${note}, no log: not all are above 0`;
  curve.append(
    shape("line", { x1: 12, x2: 302, y1: 110, y2: 110 }),
    shape("line", { x1: 12, x2: 12, y1: 16, y2: 110 }),
    shape("text", { x: 16, y: 12 }, note),
    shape("text", { x: 302, y: 126, "text-anchor": "end" }, say`step ${last}`),
    shape("text", { x: 12, y: 126 }, say`step ${0}`),
    shape("polyline", { points: points.join(" ") }),
  );
  if (Number.isFinite(losses[last])) curve.append(shape("circle", { cx: x(last), cy: y(losses[last]), r: 3.5 }));
}

// ---- axes -----------------------------------------------------------------------------------------------------------
const FRAME = { width: 340, height: 230, left: 74, right: 10, top: 8, bottom: 34 };
/** A picture with axes from low to high; it returns where a point is. */
function axes(svg, [xLow, xHigh], [yLow, yHigh], xName, yName) {
  const { width, height, left, right, top, bottom } = FRAME;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const x = (v) => left + ((v - xLow) / (xHigh - xLow)) * (width - left - right);
  const y = (v) => height - bottom - ((v - yLow) / (yHigh - yLow)) * (height - top - bottom);
  const frame = shape("g", { class: "axes" });
  frame.append(shape("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom }));
  const label = (v, low, high) => text(Math.abs(v) < (high - low) * 1e-9 ? 0 : v, 3);
  for (const v of [xLow, (xLow + xHigh) / 2, xHigh]) {
    const anchor = v === xLow ? "start" : v === xHigh ? "end" : "middle";
    frame.append(shape("text", { x: x(v), y: height - bottom + 13, "text-anchor": anchor }, label(v, xLow, xHigh)));
  }
  for (const v of [yLow, (yLow + yHigh) / 2, yHigh]) {
    const shift = v === yLow ? 0 : v === yHigh ? 8 : 4;
    frame.append(shape("text", { x: left - 4, y: y(v) + shift, "text-anchor": "end" }, label(v, yLow, yHigh)));
  }
  const [across, down] = [(left + width - right) / 2, (top + height - bottom) / 2];
  const title = (x, y, words, more) => shape("text", { class: "axis", x, y, "text-anchor": "middle", ...more }, words);
  frame.append(
    title(across, height - 5, tail(xName, 30)),
    title(11, down, tail(yName, 24), { transform: `rotate(-90 11 ${down})` }),
  );
  return { x, y, frame };
}
function rangeOf(numbers, margin = 0.08) {
  const finite = numbers.filter(Number.isFinite);
  if (!finite.length) return [-1, 1];
  const low = Math.min(...finite), high = Math.max(...finite), wide = high - low || Math.max(1, Math.abs(high));
  return [low - wide * margin, high + wide * margin];
}
/** A colour between those of low and of high numbers, as the share of the second one; "" for no number. */
function mixed(share) {
  const percent = Math.round(Math.min(Math.max(share, 0), 1) * 100);
  return Number.isNaN(percent) ? "" : `color-mix(in oklab, var(--high) ${percent}%, var(--low))`;
}
/** Numbers in the middle of n cells between two ends. */
const cellsOf = ([low, high], n) => Array.from({ length: n }, (_, k) => low + ((k + 0.5) / n) * (high - low));
/** Cells in the colours of their shares, row by row; those of one colour beside each other are one rectangle. */
function cellMap({ x, y }, xs, ys, shares, opacity) {
  const [w, h] = [x(xs[1]) - x(xs[0]), y(ys[0]) - y(ys[1])], drawn = shape("g", { class: "cells", opacity });
  ys.forEach((v, j) => {
    const colors = shares.slice(j * xs.length, (j + 1) * xs.length).map(mixed), top = y(v) - h / 2;
    for (let i = 0, end; i < xs.length; i = end) {
      end = i + 1;
      while (end < xs.length && colors[end] === colors[i]) end++;
      const place = { x: x(xs[i]) - w / 2, y: top, width: (end - i) * w, height: h, style: `fill: ${colors[i]}` };
      if (colors[i]) drawn.append(shape("rect", place));
    }
  });
  return drawn;
}

// ---- the data and the prediction ------------------------------------------------------------------------------------
/** The prediction: the last named node with a number for each row that misses a column; that one is the target. */
function findPrediction() {
  const columns = state.table.names, reads = [];
  graph.nodes.forEach((node, i) => {
    reads[i] = new Set(node.kind === "data" ? [node.name] : node.inputs.flatMap((x) => [...reads[x]]));
  });
  const used = columns.filter((name) => graph.nodes.some((node) => node.kind === "data" && node.name === name));
  const canPredict = ({ kind, perRow }, i) => kind === "operation" && perRow && reads[i].size < used.length;
  const all = [...graph.nodes.keys()].filter((i) => canPredict(nodeAt(i), i));
  if (!all.length) return null;
  const most = Math.max(...all.map((i) => reads[i].size)), best = all.filter((i) => reads[i].size === most);
  const isLine = (i) => graph.lines.some(({ name }) => name === nodeAt(i).name);
  const node = best.findLast(isLine) ?? best.sort(graph.byRank).at(-1), isInput = (name) => reads[node].has(name);
  return { node, inputs: used.filter(isInput), target: used.find((name) => !isInput(name)) };
}
/** What is predicted at other numbers of the columns. */
function predictAt(node, columns, rows) {
  const table = { ...state.table, columns: { ...state.table.columns, ...columns }, rows };
  for (const name of state.table.names) {
    const here = state.table.columns[name][state.row];
    if (!Object.hasOwn(columns, name)) table.columns[name] = new Float64Array(rows).fill(here);
  }
  return forward(graph, state.numbers, table, run.values).values[node]; // sums are those of the table's own rows
}
function paintData() {
  const svg = $("plot"), found = state.table && findPrediction();
  svg.style.display = found ? "block" : "none";
  if (!found) return;
  const { node, inputs, target } = found, { columns } = state.table, ys = [...columns[target]], name = called(node);
  const predicted = [...run.values[node]];
  svg.setAttribute("aria-label", say`${target} of the table, and ${name}, which is predicted`);
  svg.classList.toggle("against", inputs.length > 2);
  const point = (cx, cy, r, color) => {
    const [kind, size] = r === state.row ? ["point chosen", 5.5] : ["point", 3.8];
    return shape("circle", { class: kind, cx, cy, r: size, ...(color && { style: `fill: ${color}` }) });
  };
  if (inputs.length === 2) {
    const [a, b] = inputs, n = graph.nodes.length > 60 ? 18 : 26;
    const ranges = [a, b].map((name) => rangeOf([...columns[name]]));
    const [as, bs] = ranges.map((range) => cellsOf(range, n));
    const values = predictAt(node, { [a]: bs.flatMap(() => as), [b]: bs.flatMap((v) => as.map(() => v)) }, n * n);
    const [low, high] = rangeOf(ys, 0), share = (v) => (v - low) / (high - low || 1);
    const drawn = axes(svg, ...ranges, a, b), { x, y, frame } = drawn;
    svg.append(cellMap(drawn, as, bs, [...values].map(share), 0.55), frame);
    svg.append(...ys.map((t, r) => point(x(columns[a][r]), y(columns[b][r]), r, mixed(share(t)))));
  } else if (inputs.length === 1) {
    const [a] = inputs, range = rangeOf([...columns[a]]), n = 80;
    const grid = Float64Array.from({ length: n + 1 }, (_, k) => range[0] + (k / n) * (range[1] - range[0]));
    const values = [...predictAt(node, { [a]: grid }, n + 1)];
    const { x, y, frame } = axes(svg, range, rangeOf([...ys, ...predicted]), a, target);
    const clip = shape("clipPath", { id: "plot-area" }, frame.firstChild.cloneNode());
    const places = values.map((v, k) => [x(grid[k]), y(v)]).filter(([, top]) => Number.isFinite(top));
    const points = places.map(([left, top]) => `${left.toFixed(1)},${top.toFixed(1)}`).join(" ");
    const curve = shape("g", { "clip-path": "url(#plot-area)" });
    ys.forEach((t, r) => {
      const x1 = x(columns[a][r]), y2 = y(predicted[r]);
      if (Number.isFinite(y2)) curve.append(shape("line", { class: "error", x1, x2: x1, y1: y(t), y2 }));
    });
    curve.append(shape("polyline", { class: "curve", points }));
    svg.append(frame, clip, curve, ...ys.map((t, r) => point(x(columns[a][r]), y(t), r)));
  } else {
    const range = rangeOf([...ys, ...predicted]);
    const { x, y, frame } = axes(svg, range, range, say`${target}, of the table`, name);
    const [[x1, x2], [y1, y2]] = [range.map(x), range.map(y)];
    svg.append(frame, shape("line", { class: "error", x1, y1, x2, y2 }));
    ys.forEach((t, r) => Number.isFinite(predicted[r]) && svg.append(point(x(t), y(predicted[r]), r)));
  }
}

// ---- the landscape --------------------------------------------------------------------------------------------------
const MOST_CALLS = 400_000; // of operations, for one picture
/** Offers the parameters for the two directions, and keeps those that were chosen. */
function choosePair() {
  const names = moving(), [across, up] = [$("across"), $("up")];
  for (const choice of [across, up]) {
    const before = choice.value;
    choice.replaceChildren(...names.map((name) => element("option", { value: name }, page.labels[name] ?? name)));
    choice.value = names.includes(before) ? before : names[0] ?? "";
  }
  if (up.value === across.value) up.value = names.find((name) => name !== across.value) ?? "";
  document.body.classList.toggle("has-pair", names.length > 1);
}
function paintLandscape() {
  const svg = $("map"), [a, b] = [$("across").value, $("up").value];
  if (!a || !b || a === b) {
    svg.style.display = "none";
    return;
  }
  svg.style.display = "block";
  const operations = graph.nodes.filter(({ kind }) => kind === "operation");
  const calls = operations.reduce((sum, { perRow, overRows }) => sum + (perRow || overRows ? rowsOf() : 1), 0);
  const n = Math.max(10, Math.min(36, Math.floor(Math.sqrt(MOST_CALLS / Math.max(calls, 1)))));
  const way = trail.length ? trail : [state.numbers];
  const ranges = [a, b].map((name) => {
    const [low, high] = rangeOf([...way.map((numbers) => numbers[name]), state.numbers[name]], 0);
    const half = Math.max((high - low) * 0.75, 1.5);
    return [(low + high) / 2 - half, (low + high) / 2 + half];
  });
  const [as, bs] = ranges.map((range) => cellsOf(range, n));
  const found = bs.flatMap((v) => as.map((u) => {
    const { values } = forward(graph, { ...state.numbers, [a]: u, [b]: v }, state.table);
    return inRow(values[graph.root], state.row);
  }));
  const sorted = found.filter(Number.isFinite).sort((p, q) => p - q);
  const names = [a, b].map((name) => page.labels[name] ?? name);
  const drawn = axes(svg, ...ranges, ...names), { x, y, frame } = drawn;
  const levels = 12; // as many cells on each: so a valley is seen whatever the heights are
  const steps = Array.from({ length: levels }, (_, k) => sorted[Math.floor((k / levels) * sorted.length)]);
  const levelOf = (loss) => steps.findLastIndex((step) => loss >= step) / (levels - 1);
  const shares = found.map((loss) => (Number.isFinite(loss) ? 1 - levelOf(loss) : NaN));
  const places = way.map((numbers) => [x(numbers[a]), y(numbers[b])]).filter((place) => place.every(Number.isFinite));
  const points = places.map(([left, top]) => `${left.toFixed(1)},${top.toFixed(1)}`);
  svg.append(cellMap(drawn, as, bs, shares, 0.8), frame);
  svg.append(shape("polyline", { class: "trail", points: points.join(" ") }));
  if (places.length) {
    const [cx, cy] = places.at(-1);
    svg.append(shape("circle", { class: "point chosen", cx, cy, r: 5 }));
  }
  const [p, q] = names, L = called(graph.root), [low, high] = [sorted[0], sorted.at(-1)].map((loss) => text(loss, 3));
  const heights = sorted.length
    ? say`${L} over ${p} and ${q}, from ${low} to ${high}`
    : say`${L} over ${p} and ${q}, undefined everywhere`;
  svg.setAttribute("aria-label", say`${heights}; the way of the descent has ${trail.length} points`);
}

const PICTURES = [
  { paint: paintData, every: 100, last: -Infinity, waiting: 0 },
  { paint: paintLandscape, every: 500, last: -Infinity, waiting: 0 },
];
/** Both pictures: they take longer than a step, so while numbers change they follow a few times a second. */
function paintPlots() {
  for (const one of PICTURES) {
    const rest = one.last + one.every - performance.now();
    const paintNow = () => {
      one.last = performance.now();
      one.paint();
    };
    clearTimeout(one.waiting);
    if (rest > 0) one.waiting = setTimeout(paintNow, rest);
    else paintNow();
  }
}

/** What is not computed at the step that is shown is not seen in the pictures either. */
function hideUnknown() {
  const found = state.table && findPrediction(), isComputed = isKnown(graph.root);
  $("plot").classList.toggle("unknown", Boolean(found) && !isKnown(found.node));
  $("map").classList.toggle("unknown", !isComputed);
  const legend = say`Orange is low, blue is high; the line is the way of the descent.`;
  show("map-words", isComputed ? legend : say`It is seen when the forward pass has come to its end.`);
}

// ---- the picture as a file ------------------------------------------------------------------------------------------
const KEPT = [
  "fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "fill-opacity", "stroke-opacity",
  "font-size", "font-weight", "font-family", "font-style", "text-anchor",
];
/** Saves the graph as it is shown: a copy that has its colours in itself. */
function savePicture() {
  const copied = picture.cloneNode(true), from = picture.querySelectorAll("*"), to = copied.querySelectorAll("*");
  from.forEach((shown, k) => {
    const style = getComputedStyle(shown);
    to[k].setAttribute("style", KEPT.map((key) => `${key}: ${style.getPropertyValue(key)}`).join("; "));
    for (const key of ["role", "tabindex", "class", "aria-label"]) to[k].removeAttribute(key);
  });
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copied.removeAttribute("id");
  const { width, height } = layout, behind = getComputedStyle(document.querySelector("main section")).backgroundColor;
  copied.prepend(shape("rect", { width, height, style: `fill: ${behind}` }));
  const file = new Blob([new XMLSerializer().serializeToString(copied)], { type: "image/svg+xml" });
  const address = URL.createObjectURL(file);
  element("a", { href: address, download: "graph.svg" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

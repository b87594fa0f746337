// Expressions as text: lines such as `h = tanh(w*x + b)`, the last of which is the root, become a graph. Operators and
// functions are those of the package; nothing is evaluated as JavaScript. A name that has no line is a leaf, or a
// column of the table. `sum` and `mean` of what differs from row to row add up the rows.

class TextError extends Error {
  constructor(message, at) {
    super(message);
    this.at = at; // where in the text
  }
}

const MOST_NESTED = 200;
const CONSTANTS = { pi: Math.PI, e: Math.E, inf: Infinity, nan: NaN };
const NAME = /[\p{XID_Start}_](?:(?!·)\p{XID_Continue})*/u; // as in Python, where a·b would be a name too
const TOKEN = new RegExp(
  [
    /[ \t\r]+|#[^\n]*|(\n|;)/,
    /((?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/,
    `(${NAME.source})`,
    /(\*\*|[-+*/()[\],=.^])/,
  ].map((part) => part.source ?? part).join("|"),
  "uy",
);
const isFunction = (name) => Object.hasOwn(FUNCTIONS, name) || name === "sum";

function tokensOf(text) {
  const most = page.characters;
  if (text.length > most) throw new TextError(say`The text has more than ${most} characters.`, 0);
  const tokens = [];
  let depth = 0;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex, found = TOKEN.exec(text);
    if (!found) {
      const character = JSON.stringify(String.fromCodePoint(text.codePointAt(from)));
      throw new TextError(say`${character} has no meaning here.`, from);
    }
    const [whole, end, number, name, sign] = found;
    const to = from + whole.length;
    if (sign === "^") throw new TextError(say`A power is written **, as in x**2.`, from);
    if (end && depth <= 0) tokens.push({ kind: "end", text: say`the end of the line`, from, to });
    if (number) tokens.push({ kind: "number", text: whole, from, to });
    if (name) tokens.push({ kind: "name", text: whole.normalize("NFKC"), from, to });
    if (sign) tokens.push({ kind: sign, text: whole, from, to });
    depth += { "(": 1, "[": 1, ")": -1, "]": -1 }[sign] ?? 0;
  }
  const end = { kind: "end", text: say`the end`, from: text.length, to: text.length };
  return [...tokens, end];
}

/** Reads a text; `columns` are the names of the table's columns, `isNumber` says which names have a number already. */
function parse(text, columns, isNumber) {
  const tokens = tokensOf(text);
  const nodes = [], named = new Map(), lines = [];
  const beginsLine = (k) => (k === 0 || tokens[k - 1].kind === "end") && tokens[k + 1]?.kind === "=";
  const defined = new Set(tokens.filter((t, k) => t.kind === "name" && beginsLine(k)).map((t) => t.text));
  let place = 0, nested = 0;
  const next = () => tokens[place];
  const is = (...kinds) => kinds.includes(next().kind);
  const take = () => tokens[place++];
  const fail = (message, token = next()) => {
    throw new TextError(message, token.from);
  };
  const expect = (kind, why) => (is(kind) ? take() : fail(why(next().text)));

  // A part of an expression is a plain number or the number of a node; plain numbers are computed at once.
  const isPlain = (part) => part.node === undefined;
  const asNode = (part, from, to) => {
    if (!isPlain(part)) return part.node;
    return add({ kind: "constant", number: part.number, ranges: [[from, to]] }).node;
  };
  const add = (node) => {
    nodes.push({ inputs: [], parameters: [], perRow: false, ...node });
    return { node: nodes.length - 1 };
  };
  function operation(op, parts, from, to, at, parameters = []) {
    const f = operationOf(op, parameters, parts.length);
    if (!f) fail(say`${op} of ${parts.length} numbers is not on this page: take fewer.`, { from: at });
    if (parts.every(isPlain)) {
      const xs = parts.map((part) => part.number), [number] = f(...xs), given = [...xs, ...parameters];
      if (!Number.isFinite(number) && given.every(Number.isFinite)) {
        fail(say`${op} is not defined at ${given.join(", ")}, or too large.`, { from: at });
      }
      return { number };
    }
    const inputs = parts.map((part) => asNode(part, part.from ?? from, part.to ?? to));
    const perRow = inputs.some((i) => nodes[i].perRow);
    return add({ kind: "operation", op, parameters, inputs, f, perRow, ranges: [[from, to]] });
  }

  /** Reads a part of a part: so many in one another have an end before the stack of the browser has one. */
  function inner(read) {
    if (++nested > MOST_NESTED) fail(say`Too many brackets or signs in one another.`);
    const part = read();
    nested--;
    return part;
  }
  function expression() {
    const { from } = next();
    let left = term();
    while (is("+", "-")) {
      const sign = take();
      left = binary(sign, left, term(), from);
    }
    return left;
  }
  function term() {
    const { from } = next();
    let left = signed();
    while (is("*", "/")) {
      const sign = take();
      left = binary(sign, left, signed(), from);
    }
    return left;
  }
  function signed() {
    const from = next().from;
    if (is("+", "-")) {
      const sign = take(), x = inner(signed), to = before();
      if (sign.kind === "+") return x;
      return { ...operation("neg", [x], from, to, sign.from), from, to };
    }
    const base = atom();
    if (!is("**")) return base;
    const sign = take();
    return binary(sign, base, inner(signed), from);
  }
  const before = () => tokens[place - 1].to;
  const OPERATORS = { "+": "add", "-": "sub", "*": "mul", "/": "div" };
  function binary(sign, left, right, from) {
    const to = before();
    const make = (op, xs, ...more) => ({ ...operation(op, xs, from, to, sign.from, ...more), from, to });
    if (sign.kind !== "**") return make(OPERATORS[sign.kind], [left, right]);
    if (isPlain(left) === isPlain(right)) return make("pow", [left, right]);
    return isPlain(right) ? make("power", [left], [right.number]) : make("exponential", [right], [left.number]);
  }
  function atom() {
    const token = take(), { from, to } = token;
    if (token.kind === "number") {
      const number = Number(token.text.replaceAll("_", ""));
      if (number === Infinity) fail(say`This number is too large for a float.`, token);
      if (is("name", "number") && next().from === to) fail(say`A sign is missing, as * in 2*x.`);
      return { number, from, to };
    }
    if (token.kind === "(") {
      const part = inner(expression);
      expect(")", (found) => say`A bracket ( has to be closed by ), not ${found}.`);
      return { ...part, from, to: before() };
    }
    if (token.kind === "name") {
      if (is("(")) return { ...call(token.text, token), from, to: before() };
      if (is(".")) {
        take();
        const why = (found) => say`After own. comes the name of an operation of your own, not ${found}.`;
        const name = expect("name", why);
        const isOwn = token.text === "own" && Object.hasOwn(OWN, name.text);
        if (!isOwn) fail(say`There is no ${token.text}.${name.text}.`, token);
        return { ...call(name.text, token, OWN[name.text]), from, to: before() };
      }
      return { ...nameOf(token), from, to };
    }
    return fail(token.kind === "end" ? say`Something is missing here.` : say`${token.text} cannot stand here.`, token);
  }
  function nameOf({ text: name, from, to }) {
    if (named.has(name)) {
      const part = named.get(name);
      if (!isPlain(part)) nodes[part.node].ranges.push([from, to]);
      return part;
    }
    if (name === current) fail(say`${name} cannot stand in its own line.`, { from });
    if (defined.has(name)) fail(say`${name} has its line further down: move that line up.`, { from });
    const isColumn = columns.includes(name);
    if (!isColumn && !isNumber(name) && Object.hasOwn(CONSTANTS, name)) return { number: CONSTANTS[name] };
    if (isFunction(name)) fail(say`${name} is a function: write ${name}(…).`, { from });
    const part = add({ kind: isColumn ? "data" : "leaf", name, perRow: isColumn, ranges: [[from, to]] });
    named.set(name, part);
    return part;
  }
  function list() {
    const parts = [];
    expect("[", (found) => say`Here stands a list, as [a, b], not ${found}.`);
    while (!is("]")) {
      parts.push(inner(expression));
      if (!is("]")) expect(",", (found) => say`The numbers of a list stand between commas, not ${found}.`);
    }
    take();
    return parts;
  }
  function call(name, token, ownArity) {
    take();
    const isOwn = ownArity !== undefined;
    const known = isOwn ? { op: name, least: ownArity ?? 1, most: ownArity ?? Infinity } : functionOf(name, token);
    const parts = [], lists = [];
    while (!is(")")) {
      if (is("[")) lists.push(list());
      else parts.push(inner(expression));
      const why = (found) => say`The numbers of ${name} stand between commas, and end with ), not ${found}.`;
      if (!is(")")) expect(",", why);
    }
    take();
    const { from } = token, to = before();
    const make = (op, xs, parameters) => operation(op, xs, from, to, from, parameters);
    if (known.lists === 2) {
      if (lists.length !== 2 || parts.length || lists[0].length !== lists[1].length || !lists[0].length) {
        fail(say`${name} takes two lists of one length, as in ${name}([w1, w2], [x1, x2]).`, token);
      }
      return make(known.op, lists.flat());
    }
    if (known.lists === 1) {
      if (lists.length > 1 || (lists.length && parts.length)) fail(say`${name} takes one list, or numbers.`, token);
      const xs = lists[0] ?? parts;
      if (!xs.length) fail(say`${name} takes one number or more.`, token);
      const isOverRows = !lists.length && xs.length === 1 && !isPlain(xs[0]) && nodes[xs[0].node].perRow;
      if (isOverRows && ["total", "mean"].includes(known.op)) {
        const overRows = known.op === "mean" ? "mean" : "sum", inputs = [xs[0].node];
        return add({ kind: "operation", op: overRows, overRows, inputs, ranges: [[from, to]] });
      }
      if (known.op === "mean") return make("div", [make("total", xs), { number: xs.length }]);
      if (known.op === "prod") return xs.reduce((product, x) => make("mul", [product, x]));
      return make(known.op, xs);
    }
    if (lists.length) fail(say`${name} takes numbers, not a list.`, token);
    const { least, most = Infinity, many } = known;
    if (parts.length < least || parts.length > most) {
      if (most === Infinity) fail(say`${name} takes ${least} or more numbers.`, token);
      if (least < most) fail(say`${name} takes ${least} to ${most} numbers.`, token);
      fail(least === 1 ? say`${name} takes 1 number.` : say`${name} takes ${least} numbers.`, token);
    }
    if (known.parameters) {
      const given = parts.slice(1);
      if (!given.every(isPlain)) fail(say`After its first number ${name} takes plain numbers, without names.`, token);
      const parameters = known.parameters.map((standard, k) => given[k]?.number ?? standard);
      return make(known.op, parts.slice(0, 1), parameters);
    }
    return make(many && parts.length > 2 ? many : known.op, parts);
  }
  function functionOf(name, token) {
    if (name === "sum") return FUNCTIONS.total;
    if (!Object.hasOwn(FUNCTIONS, name)) {
      const all = [...Object.keys(FUNCTIONS), "sum"].sort().join(", ");
      fail(say`There is no function ${name}; there are ${all}.`, token);
    }
    return FUNCTIONS[name];
  }

  let last = null, current; // the node of the last line, and the name of the one that is read
  while (place < tokens.length) {
    if (is("end")) {
      take();
      continue;
    }
    const hasName = is("name") && tokens[place + 1].kind === "=";
    const name = hasName ? take() : null;
    current = name?.text;
    if (name) {
      take();
      const { text } = name;
      if (named.has(text)) fail(say`${text} has a line already: take another name.`, name);
      if (columns.includes(text)) fail(say`${text} is a column of the table: take another name.`, name);
      if (isFunction(text)) fail(say`${text} is a function: take another name.`, name);
    }
    const from = name?.from ?? next().from, part = expression();
    if (is("=")) fail(say`= cannot stand here: a line is name = expression.`);
    if (!is("end")) fail(say`${next().text} cannot stand here.`);
    last = asNode(part, from, before());
    if (name) {
      const isNew = nodes[last].name === undefined && nodes[last].kind !== "constant";
      if (isNew) nodes[last].name = name.text;
      nodes[last].ranges.push([name.from, name.to]);
      named.set(name.text, isPlain(part) ? part : { node: last });
      defined.delete(name.text);
    }
    lines.push({ name: name?.text, node: last });
  }
  if (last === null) throw new TextError(say`Write an expression, as tanh(w*x + b).`, 0);
  if (nodes[last].kind === "constant") {
    throw new TextError(say`That is a plain number: name something that may change, as x in 2*x.`, 0);
  }
  return graphOf(nodes, last, lines);
}

/** The nodes that the root depends on, with a name for each, their ranks, and who uses them. */
function graphOf(all, last, lines) {
  const isUsed = new Set([last]);
  for (let i = last; i >= 0; i--) if (isUsed.has(i)) all[i].inputs.forEach((x) => isUsed.add(x));
  const kept = [...isUsed].sort((i, j) => i - j), place = new Map(kept.map((i, k) => [i, k]));
  const nodes = kept.map((i) => ({ ...all[i], inputs: all[i].inputs.map((x) => place.get(x)) }));
  const isWithoutUse = ({ node }) => !isUsed.has(node) && all[node].kind !== "constant";
  const unused = lines.filter(isWithoutUse).map(({ name, node }) => name ?? all[node].name ?? "");
  const lineOf = []; // of each node: the line that it belongs to
  lines.forEach(({ node }, k) => {
    const waiting = [node];
    while (waiting.length) {
      const i = waiting.pop();
      if (lineOf[place.get(i)] !== undefined || !isUsed.has(i)) continue;
      lineOf[place.get(i)] = k;
      waiting.push(...all[i].inputs.filter((x) => all[x].kind !== "leaf" && all[x].kind !== "data"));
    }
  });
  const root = nodes.length - 1, rank = [], uses = nodes.map(() => []);
  nodes.forEach((node, i) => {
    rank[i] = 1 + Math.max(-1, ...node.inputs.map((x) => rank[x]));
    node.inputs.forEach((x, k) => uses[x].push([i, k]));
  });
  const byRank = (i, j) => rank[i] - rank[j] || i - j;
  const taken = new Set(nodes.map((node) => node.name));
  if (!nodes[root].name && !taken.has("L")) nodes[root].name = "L";
  let count = 0;
  for (const i of [...nodes.keys()].sort(byRank)) {
    if (nodes[i].kind === "constant" || nodes[i].name) continue;
    do count++;
    while (taken.has(`v${count}`));
    nodes[i].name = `v${count}`;
  }
  return { nodes, root, rank, uses, byRank, unused, lineOf, lines };
}

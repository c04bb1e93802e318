// ---- one node: all that is known of a subsystem or gene, in a dialog that has an address -----------------------

const dialog = document.getElementById("node");
const placeOf = new Map(store.ids.map((id, i) => [id, i]));
const inverted = (lists) => {
  const found = new Map();
  Object.keys(lists || {}).forEach((from) => lists[from].forEach((to, k) => {
    if (!found.has(to)) found.set(to, []);
    found.get(to).push([Number(from), k]);
  }));
  return found;
};
const childrenOf = inverted(store.parents_of);
const genesOf = inverted(store.terms_of);
const FIRST = 15; // rows of a list before "show all"
let open = null; // position of the node that is shown

function make(tag, attributes, ...inside) {
  const element = document.createElement(tag);
  Object.entries(attributes || {}).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}
const address = (i) => "#node=" + encodeURIComponent(store.ids[i]);
const linkTo = (i) => make("a", { href: address(i) }, store.labels[i]);
const one = (i) => store.kind_names[store.kinds[i]] || "subsystem";
const many = (n, what) => n + " " + what + (n === 1 ? "" : "s");
const rankOf = (columns, i) => (known(columns.rank[i]) ? columns.rank[i] : Infinity);
const signed = (value, digits) => (known(value) && value > 0 ? "+" : "") + fixed(value, digits);
function span(low, value, high, digits) {
  return signed(value, digits) + (known(low) ? " [" + signed(low, digits) + ", " + signed(high, digits) + "]" : " [\u2013]");
}
const digitsFor = (sizes) => {
  const sorted = sizes.filter((v) => known(v) && v !== 0).map(Math.abs).sort((a, b) => a - b);
  return sorted.length ? Math.min(Math.max(1 - Math.floor(Math.log10(sorted[sorted.length >> 1])), 2), 7) : 3;
};

// all genes at or below a term: gene -> how it is annotated to this term, or null where only a term below has it
function genesBelow(i) {
  const found = new Map();
  (genesOf.get(i) || []).forEach(([gene, k]) => found.set(gene, store.relations[store.relation_of[gene][k]]));
  const waiting = (childrenOf.get(i) || []).map(([child]) => child);
  const done = new Set(waiting);
  while (waiting.length) {
    const child = waiting.pop();
    (genesOf.get(child) || []).forEach(([gene]) => found.has(gene) || found.set(gene, null));
    (childrenOf.get(child) || []).forEach(([next]) => done.has(next) || (done.add(next), waiting.push(next)));
  }
  return found;
}

function inWords(columns, i) {
  if (!known(columns.score[i])) return "It is not ranked for " + columns.name + ".";
  const said = ["Rank " + columns.rank[i] + " of " + store.ranked[store.kinds[i]] + " " + store.kind_plurals[store.kinds[i]] + " for " + columns.name + "."];
  const q = columns.q[i];
  if (!known(q)) said.push("It was not tested against a null.");
  else said.push((q < 0.05 ? "It stands out from the null networks" : "It does not stand out from the null networks") + " (q " + probability(q) + ").");
  if (columns.top_probability && known(columns.top_probability[i])) {
    said.push("It is among the best with a probability of " + Math.round(100 * columns.top_probability[i]) + " %; 95 % of the draws rank it between " + Math.round(columns.rank_low[i]) + " and " + Math.round(columns.rank_high[i]) + ".");
  }
  if (columns.n[i] === 1) said.push("There is one network only, so no interval is given.");
  return said.join(" ");
}

function facts(columns, i) {
  const rows = [];
  if (store.kinds[i] === "term" && i < store.n_terms) rows.push(["genes at or below", String(store.n_genes[i])]);
  rows.push(["level", String(store.levels[i])]);
  if (known(columns.score[i])) {
    const digits = digitsFor([columns.high[i] - columns.low[i], columns.score[i]]);
    rows.push(["score [95 % interval]", interval(columns, i, digits)], ["z", fixed(columns.z[i], 1)], ["p", probability(columns.p && columns.p[i])], ["q", probability(columns.q[i])]);
    if (known(columns.stability[i])) rows.push(["stability", Math.round(100 * columns.stability[i]) + " % of n = " + columns.n[i] + " networks"]);
  }
  return make("dl", { class: "facts" }, ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

function table(caption, heads, rows) {
  const cells = (row, tag) => row.map((value, k) => {
    const first = tag === "td" && k === 0;
    const cellOf = make(first ? "th" : tag, heads[k][1] ? { class: "num" } : {}, value);
    if (first) cellOf.scope = "row";
    if (tag === "th") cellOf.scope = "col";
    return cellOf;
  });
  const body = make("tbody", {});
  const add = (some) => some.forEach((row) => body.append(make("tr", {}, ...cells(row, "td"))));
  add(rows.slice(0, FIRST));
  const whole = make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    make("table", {}, make("caption", {}, caption), make("thead", {}, make("tr", {}, ...cells(heads.map(([name]) => name), "th"))), body));
  if (rows.length <= FIRST) return [whole];
  const more = make("button", { type: "button", class: "show" }, "Show all " + rows.length);
  more.addEventListener("click", () => { add(rows.slice(FIRST)); more.remove(); whole.focus(); });
  return [whole, more];
}

// ---- its neighbourhood as nodes and links ----------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
function draws(tag, attributes, ...inside) {
  const element = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...inside);
  return element;
}
function tint(columns, i) {
  const value = columns[columns.coloured_by][i];
  if (!known(value)) return "var(--panel)";
  const share = Math.min(Math.abs(value) / columns.limit, 1);
  return "color-mix(in srgb, " + (value < 0 ? "#2166ac" : "#b2182b") + " " + Math.round(100 * share) + "%, var(--panel))";
}
function neighbourhood(columns, i, left, right, width) {
  const step = 26;
  const rows = Math.max(left.length, right.length, 1);
  const height = rows * step + 8;
  const column = left.length ? (width - 20) / 3 : (width - 20) / 2;
  const letters = Math.max(Math.floor((column - 34) / 7), 6);
  const at = (x, k, of) => [x, height / 2 + (k - (of - 1) / 2) * step];
  const middle = at(left.length ? column + 10 : 10, 0, 1);
  const lines = [];
  const names = [];
  const point = (j, [x, y], strong) => {
    const label = store.labels[j];
    const cut = label.length > letters ? label.slice(0, letters - 1) + "\u2026" : label;
    const link = draws("a", { href: address(j), class: strong ? "own" : "" },
      draws("title", {}, document.createTextNode(label)),
      draws("circle", { cx: x, cy: y, r: strong ? 9 : 6, style: "fill: " + tint(columns, j) }),
      draws("text", { x: x + 14, y: y + 4 }, document.createTextNode(cut)));
    names.push(link);
  };
  const join = ([x1, y1], [x2, y2]) => {
    const half = (x1 + x2) / 2;
    lines.push(draws("path", { d: "M" + x1 + " " + y1 + "C" + half + " " + y1 + " " + half + " " + y2 + " " + x2 + " " + y2 }));
  };
  left.forEach((j, k) => { const p = at(10, k, left.length); join(p, middle); point(j, p); });
  right.forEach((j, k) => { const p = at(middle[0] + column, k, right.length); join(middle, p); point(j, p); });
  point(i, middle, true);
  return draws("svg", { class: "links", width, height, viewBox: "0 0 " + width + " " + height, role: "group", "aria-label": "Neighbours of " + store.labels[i] }, ...lines, ...names);
}

// ---- figures of the dialog -------------------------------------------------------------------------------------

const base = { font: { family: "system-ui, sans-serif", size: 13 }, margin: { l: 10, r: 16, t: 10, b: 50 }, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
const whiskers = (middle, low, high) => ({
  type: "data", symmetric: false, color: "#8b929c", thickness: 1.6, width: 4,
  array: middle.map((m, k) => (known(high[k]) ? high[k] - m : 0)), arrayminus: middle.map((m, k) => (known(low[k]) ? m - low[k] : 0)),
});
function plotOf(name, label, caption, figure) {
  figures[name] = figure;
  const frame = make("figure", { class: "plot-frame" },
    make("div", { class: "plot", "data-figure": name, role: "group", "aria-label": label, style: "min-height: " + figure.layout.height + "px" }),
    make("figcaption", {}, caption));
  return frame;
}
function nullFigure(columns, i) {
  const rows = store.nulls.rows && store.nulls.rows[current] && store.nulls.rows[current][i];
  if (!rows || !known(columns.score[i])) return null;
  const drawn = rows.filter(known);
  const data = [
    { type: "scatter", mode: "markers", x: drawn, y: drawn.map(() => "null"), marker: { symbol: "line-ns", size: 20, line: { width: 2, color: "#d9822b" } }, hovertemplate: "a draw of the null: %{x:.4g}<extra></extra>" },
    { type: "scatter", mode: "markers", x: [columns.score[i]], y: ["real"], marker: { symbol: "diamond", size: 13, color: "#2b7bba" }, error_x: whiskers([columns.score[i]], [columns.low[i]], [columns.high[i]]), hovertemplate: "the real graph: %{x:.4g}<extra></extra>" },
  ];
  const layout = Object.assign({}, base, { height: 150, xaxis: { title: { text: "score", font: { size: 13 }, standoff: 6 }, automargin: true, nticks: 6 }, yaxis: { automargin: true, categoryorder: "array", categoryarray: ["null", "real"] } });
  const above = drawn.filter((v) => v >= columns.score[i]).length;
  return plotOf("node-null", "Score of the node against the draws of its null", "Its score with 95 % interval, and the same node in " + many(drawn.length, "draw") + " of the null, of which " + above + " score as high. For " + columns.name + ", seed " + store.seed + ".", { data, layout });
}
function activityFigure(i) {
  const rows = store.activity.rows && store.activity.rows[i];
  if (!rows) return null;
  const [mean, low, high] = rows;
  const names = store.activity.groups.map((group) => escaped(group.length > 30 ? group.slice(0, 29) + "\u2026" : group));
  const data = [{ type: "scatter", mode: "markers", x: mean, y: names.map((_, k) => k), marker: { size: 9, color: "#2b7bba" }, error_x: whiskers(mean, low, high), hovertemplate: "%{x:.2f}<extra></extra>" }];
  const layout = Object.assign({}, base, { height: 76 + 24 * names.length, xaxis: { title: { text: "activity (standard deviations)", font: { size: 13 }, standoff: 6 }, automargin: true }, yaxis: { tickmode: "array", tickvals: names.map((_, k) => k), ticktext: names, autorange: "reversed", automargin: true, zeroline: false } });
  return plotOf("node-activity", "Activity of the subsystem by group of samples, with intervals", "Mean activity on held-out samples by group with 95 % interval" + (known(low.find(known)) ? "" : " (not known: one network only)") + "; 0 is the mean of the training samples, positive: its genes are expressed more.", { data, layout });
}

// ---- the parts of the dialog -----------------------------------------------------------------------------------

function aboutTerm(columns, i) {
  const byRank = (a, b) => rankOf(columns, a) - rankOf(columns, b);
  const up = (store.parents_of[i] || []).slice().sort(byRank);
  const down = (childrenOf.get(i) || []).map(([child]) => child).sort(byRank);
  const below = genesBelow(i);
  const genes = Array.from(below.keys()).sort(byRank);
  const direct = genes.filter((gene) => below.get(gene) !== null);
  const parts = [make("h3", {}, "What it belongs to, and what it holds")];
  const right = down.slice(0, 7).concat(direct.slice(0, Math.max(9 - Math.min(down.length, 7), 2)));
  if (up.length || right.length) parts.push(neighbourhood(columns, i, up.slice(0, 6), right, Math.max(dialog.clientWidth - 60, 280)));
  const line = (name, list) => list.length && parts.push(make("p", {}, make("b", {}, name + ": "), ...list.flatMap((j, k) => [k ? ", " : "", linkTo(j)])));
  line("Parents", up);
  if (!up.length) parts.push(make("p", { class: "note" }, "Nothing stands above it: the output reads it directly."));
  if (down.length) {
    parts.push(make("h3", {}, "Children"), ...table("Subsystems that it reads, by rank for " + columns.name, [["subsystem"], ["genes", 1], ["rank", 1], ["score [95 % interval]", 1], ["q", 1]],
      down.map((j) => [linkTo(j), String(store.n_genes[j]), known(columns.rank[j]) ? String(columns.rank[j]) : "\u2013", interval(columns, j, 4), probability(columns.q[j])])));
  }
  if (genes.length) {
    parts.push(make("h3", {}, "Genes"), ...table(genes.length + " genes at or below it, by rank for " + columns.name, [["gene"], ["annotated"], ["rank", 1], ["score [95 % interval]", 1], ["q", 1]],
      genes.map((j) => [linkTo(j), below.get(j) === null ? "to a child" : below.get(j), known(columns.rank[j]) ? String(columns.rank[j]) : "\u2013", interval(columns, j, 4), probability(columns.q[j])])));
  }
  const counts = {};
  direct.forEach((gene) => { counts[below.get(gene)] = (counts[below.get(gene)] || 0) + 1; });
  const codes = Object.keys(counts).sort((a, b) => counts[b] - counts[a]).map((code) => counts[code] + " " + code + (store.evidence[code] ? " (" + store.evidence[code] + ")" : ""));
  parts.push(make("h3", {}, "Evidence"), make("p", {}, "From " + (store.sources[store.source_of[i]] || "the given knowledge") + ". " + (codes.length ? many(direct.length, "gene") + " annotated to it directly: " + codes.join(", ") + "." : "No gene is annotated to it directly; it has those of its children.")));
  const merged = store.merged[i];
  if (merged) parts.push(make("p", {}, "Merged into it, for they held the same genes: " + merged.join("; ") + "."));
  return parts;
}
function aboutGene(columns, i) {
  const parts = [];
  const terms = (store.terms_of[i] || []).map((term, k) => [term, store.relations[store.relation_of[i][k]]]).sort((a, b) => rankOf(columns, a[0]) - rankOf(columns, b[0]));
  if (terms.length) {
    parts.push(make("h3", {}, "Subsystems that read it"), ...table("By rank for " + columns.name, [["subsystem"], ["annotated by"], ["genes", 1], ["rank", 1], ["q", 1]],
      terms.map(([j, code]) => [linkTo(j), code + (store.evidence[code] ? ", " + store.evidence[code] : ""), String(store.n_genes[j]), known(columns.rank[j]) ? String(columns.rank[j]) : "\u2013", probability(columns.q[j])])));
  }
  const partners = (store.partners[i] || []).slice().sort((a, b) => rankOf(columns, a) - rankOf(columns, b));
  if (partners.length) {
    parts.push(make("h3", {}, "Genes that it interacts with"), neighbourhood(columns, i, [], partners.slice(0, 9), Math.max(dialog.clientWidth - 60, 280)),
      ...table("Its strongest interactions, by rank for " + columns.name, [["gene"], ["rank", 1], ["score [95 % interval]", 1]], partners.map((j) => [linkTo(j), known(columns.rank[j]) ? String(columns.rank[j]) : "\u2013", interval(columns, j, 4)])));
  }
  return parts;
}
function aboutKnockouts(i) {
  const parts = [];
  const gene = store.kinds[i] === "gene";
  const swept = gene && store.sweep.rows && store.sweep.rows[i];
  if (swept) {
    const digits = digitsFor(swept.map((row) => row[2]));
    const own = new Map(swept.filter((row) => row[1]).map((row) => [row[0], row]));
    const rows = swept.filter((row) => !row[1]).sort((a, b) => Math.abs(b[2]) - Math.abs(a[2]));
    const ownDigits = digitsFor(Array.from(own.values(), (row) => row[2]));
    const heads = [["output"], ["change [95 % interval]", 1]];
    if (own.size) heads.push(["in its own samples", 1]);
    heads.push(["p", 1], ["q", 1]);
    parts.push(...table("Silenced alone, over all samples (n = " + many(store.sweep.n, "network") + ")", heads, rows.map((row) => {
      const mine = own.get(row[0]);
      const cells = [store.sweep.targets[row[0]], span(row[3], row[2], row[4], digits)];
      if (own.size) cells.push(mine ? span(mine[3], mine[2], mine[4], ownDigits) : "\u2013");
      return cells.concat(probability(row[5]), probability(row[6]));
    })));
  }
  const moved = store.moved.rows && store.moved.rows[i];
  if (moved && moved.length) {
    const rows = moved.slice().sort((a, b) => b[1] - a[1]);
    const digits = digitsFor(rows.map((row) => row[1]));
    parts.push(...table("How far knockouts move it: root mean square change over all samples, in standard deviations of its neurons", [["knockout"], ["genes"], ["moved [95 % interval]", 1]],
      rows.map(([k, delta, low, high]) => [store.moved.names[k], store.moved.genes[k].join(", "), fixed(delta, digits) + (known(low) ? " [" + fixed(low, digits) + ", " + fixed(high, digits) + "]" : " [\u2013]")])));
  }
  const among = gene && store.moved.names ? store.moved.names.filter((_, k) => store.moved.genes[k].includes(store.labels[i])) : [];
  if (among.length) parts.push(make("p", {}, "It is silenced in the knockouts ", make("a", { href: "#knockouts" }, among.join(", ")), "."));
  if (!parts.length && gene) parts.push(make("p", {}, "It was not silenced in this run. To see what its loss does: ", make("code", {}, "kgreg knockout RUN " + store.labels[i])));
  if (parts.length) parts.unshift(make("h3", {}, gene ? "What if it is knocked out?" : "What knockouts do to it"));
  return parts;
}

function showNode(i) {
  const columns = store.outputs[current];
  open = i;
  document.getElementById("node-kind").textContent = one(i);
  document.getElementById("node-name").textContent = store.labels[i];
  const id = document.getElementById("node-id");
  id.replaceChildren(store.pages[i] ? make("a", { href: store.pages[i], rel: "noopener noreferrer", target: "_blank" }, store.ids[i]) : store.ids[i]);
  const body = document.getElementById("node-body");
  all(".plot", body).forEach((plot) => Plotly.purge(plot));
  if (!dialog.open) dialog.showModal();
  const nulls = nullFigure(columns, i);
  const activity = activityFigure(i);
  body.replaceChildren(make("p", { class: "notice" }, inWords(columns, i)), facts(columns, i));
  if (nulls) body.append(make("h3", {}, "Where it lies in its null distribution"), nulls);
  if (activity) body.append(make("h3", {}, "Activity by group"), activity);
  body.append(...(store.kinds[i] === "gene" ? [...aboutKnockouts(i), ...aboutGene(columns, i)] : [...aboutTerm(columns, i), ...aboutKnockouts(i)]));
  drawVisible(body);
}

// The address says what is shown: "#node=<id>". So links work, the back button works, and an address can be kept.
function followAddress() {
  const wanted = location.hash.startsWith("#node=") ? location.hash.slice(6) : null;
  let i;
  try {
    i = wanted === null ? undefined : placeOf.get(decodeURIComponent(wanted));
  } catch (error) {
    i = undefined; // no text that was encoded
  }
  if (i === undefined || !store.outputs.length) {
    open = null;
    if (dialog.open) dialog.close();
    return;
  }
  showNode(i);
  dialog.scrollTop = 0;
  document.getElementById("node-name").focus();
}
const goTo = (id) => { if (placeOf.has(id)) location.hash = "#node=" + encodeURIComponent(id); };
dialog.addEventListener("close", () => {
  if (open === null) return; // the address has changed already
  open = null;
  history.pushState(null, "", location.href.split("#")[0]);
});
document.getElementById("node-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); }); // beside it
dialog.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#']"); // to a section of the page
  if (link && !link.getAttribute("href").startsWith("#node=")) { open = null; dialog.close(); }
});
let lastWidth = window.innerWidth;
window.addEventListener("resize", () => {
  if (open !== null && window.innerWidth !== lastWidth) showNode(open); // its neighbourhood is drawn for a width
  lastWidth = window.innerWidth;
});
window.addEventListener("hashchange", followAddress);
window.addEventListener("popstate", followAddress);

// Points of figures that stand for nodes open them.
function follow(plot) {
  if (plot.dataset.follows) return;
  plot.dataset.follows = "true";
  plot.on("plotly_click", (event) => {
    const point = event.points && event.points[0];
    if (!point) return;
    if (plot === picture) {
      chose(point.id);
    } else if (point.id !== undefined) {
      goTo(String(point.id));
    } else if (typeof point.customdata === "string") {
      goTo(point.customdata); // of a Sankey
    }
  });
}
function chose(id) {
  const i = placeOf.get(id);
  const line = document.getElementById("chosen");
  if (i === undefined) { line.textContent = ""; return; }
  const columns = store.outputs[current];
  line.replaceChildren("Chosen: ", linkTo(i), known(columns.rank[i]) ? ", rank " + columns.rank[i] + ", q " + probability(columns.q[i]) : "");
  if (!childrenOf.has(i)) goTo(id); // nothing to zoom into
}

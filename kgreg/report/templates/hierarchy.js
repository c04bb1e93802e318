// ---- hierarchy ------------------------------------------------------------------------------------------------

const picture = document.querySelector('.plot[data-figure="hierarchy"]');
let current = 0;

const known = (value) => value !== null && value !== undefined;
const minus = (text) => text.replace("-", "\u2212");
const fixed = (value, digits) => (known(value) ? minus(value.toFixed(digits)) : "\u2013");
function probability(p) {
  if (!known(p)) return "\u2013";
  if (p >= 0.995) return "1.0";
  if (p >= 0.001) return p.toFixed(Math.max(2, 1 - Math.floor(Math.log10(p))));
  if (p <= 0) return "0";
  const [mantissa, exponent] = p.toExponential(1).split("e");
  return mantissa + "\u00d710" + Array.from(String(Number(exponent)), (c) => "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[c] || "\u207b").join("");
}
function interval(columns, i, digits) {
  const ends = known(columns.low[i]) ? fixed(columns.low[i], digits) + ", " + fixed(columns.high[i], digits) : "\u2013";
  return fixed(columns.score[i], digits) + " [" + ends + "]";
}
// plotly reads markup in hover text
const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

function hover(columns, i) {
  const parents = store.parents[i] > 1 ? "; one of its " + store.parents[i] + " parents is drawn" : "";
  const lines = ["<b>" + escaped(store.labels[i]) + "</b>", escaped(store.ids[i]) + " \u00b7 " + store.n_genes[i] + " genes" + parents];
  if (known(columns.score[i])) {
    lines.push("score " + interval(columns, i, 4) + ", n = " + columns.n[i] + " networks, seed " + store.seed);
    lines.push("rank " + columns.rank[i] + " \u00b7 z " + fixed(columns.z[i], 1) + " \u00b7 q " + probability(columns.q[i]));
  }
  return lines.join("<br>");
}

function showOutput(index) {
  current = index;
  const columns = store.outputs[index];
  if (!columns) return;
  if (open !== null) showNode(open);
  if (!picture) return search();
  const { data, layout } = figures.hierarchy;
  const trace = data[0];
  const terms = Array.from({ length: store.n_terms }, (_, i) => i);
  trace.marker.colors = [trace.marker.colors[0]].concat(terms.map((i) => columns[columns.coloured_by][i]));
  trace.customdata = [trace.customdata[0]].concat(terms.map((i) => hover(columns, i)));
  layout.coloraxis.cmin = -columns.limit;
  layout.coloraxis.cmax = columns.limit;
  layout.coloraxis.colorbar.title.text = columns.title;
  keepLevel();
  draw(picture);
  search();
}

function keepLevel() {
  const trace = figures.hierarchy.data[0];
  const drawn = picture._fullData && picture._fullData[0];
  if (drawn && drawn.level) trace.level = drawn.level;
}

function reshape(shape) {
  const trace = figures.hierarchy.data[0];
  keepLevel();
  const { marker, ...rest } = store.shapes[shape];
  ["tiling", "pathbar"].forEach((key) => delete trace[key]);
  Object.assign(trace, rest, { type: shape });
  Object.assign(trace.marker, { pad: undefined }, marker);
  Plotly.purge(picture);
  delete picture.dataset.follows;
  draw(picture);
}

function zoomTo(id) {
  const trace = figures.hierarchy.data[0];
  trace.level = trace.parents[trace.ids.indexOf(id)];
  highlighted = id;
  draw(picture).then(() => picture.scrollIntoView({ block: "center" }));
}

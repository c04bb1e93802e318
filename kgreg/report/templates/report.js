/* Draws the figures, switches panels, recolours the hierarchy and searches it. Text only ever enters as text. */
(function () {
  "use strict";

  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figures");
  const store = read("explorer");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // ---- themes ---------------------------------------------------------------------------------------------------

  let highlighted = null; // id of the term that was searched for
  const NEUTRAL = { light: "#f1f1ef", dark: "#3b424b" };
  let printing = false;
  const themeName = () => (dark.matches && !printing ? "dark" : "light");

  function scale(colorscale, theme) {
    if (theme === "light") return colorscale;
    const diverging = colorscale.length === 5 && colorscale[2][1] === NEUTRAL.light;
    if (diverging) {
      return [[0, "#4b9be0"], [0.25, "#37658f"], [0.5, NEUTRAL.dark], [0.75, "#a8513a"], [1, "#f0694e"]];
    }
    return [[0, "#20262d"], [0.25, "#254766"], [0.5, "#2f6da3"], [0.75, "#4f9bd6"], [1, "#a5d3f7"]];
  }

  function themed(layout) {
    const theme = themeName();
    const light = theme === "light";
    const text = light ? "#1c2430" : "#e4e8ed";
    const grid = light ? "#e3e6ea" : "#333c46";
    const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: light ? "#b9c0c9" : "#5a6572" };
    const out = Object.assign({}, layout);
    out.font = Object.assign({}, layout.font, { color: text });
    out.hoverlabel = Object.assign({}, layout.hoverlabel, {
      bgcolor: light ? "#ffffff" : "#232a32", bordercolor: light ? "#8b929c" : "#5a6572", font: Object.assign({}, layout.font, { color: text, size: 13 }),
    });
    out.modebar = { bgcolor: "rgba(0,0,0,0)", color: light ? "#8b929c" : "#7d8590", activecolor: text };
    Object.keys(layout).forEach((key) => {
      if (/^[xy]axis\d*$/.test(key)) out[key] = Object.assign({}, axis, layout[key]);
    });
    if (layout.coloraxis) {
      out.coloraxis = Object.assign({}, layout.coloraxis, { colorscale: scale(layout.coloraxis.colorscale, theme) });
    }
    return out;
  }

  function themedTraces(data) {
    const [line, strong] = themeName() === "light" ? ["#ffffff", "#111111"] : ["#14181d", "#ffffff"];
    return data.map((trace) => {
      if (!store.shapes[trace.type]) return trace;
      const marker = Object.assign({}, trace.marker, {
        line: {
          color: trace.ids.map((id) => (id === highlighted ? strong : line)),
          width: highlighted === null ? 0.6 : 2, // one for all: plotly draws no path bar from an array
        },
      });
      return Object.assign({}, trace, { marker });
    });
  }

  // ---- figures --------------------------------------------------------------------------------------------------

  const config = {
    responsive: true, displaylogo: false, plotlyServerURL: "", 
    // "sendChartToCloud" would hand the data to a server
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d", "sendChartToCloud"],
    toImageButtonOptions: { format: "svg", scale: 2 },
  };

  function fitted(name) {
    const figure = figures[name];
    const layout = themed(figure.layout);
    if (window.innerWidth < 640) {
      layout.font = Object.assign({}, layout.font, { size: 11 });
      if (layout.xaxis && layout.xaxis.tickangle) layout.xaxis = Object.assign({}, layout.xaxis, { tickangle: -90 });
      if (layout.coloraxis && layout.coloraxis.colorbar) {
        const bar = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0.5, len: 0.9, title: { text: layout.coloraxis.colorbar.title.text, side: "top" } };
        layout.coloraxis = Object.assign({}, layout.coloraxis, { colorbar: Object.assign({}, layout.coloraxis.colorbar, bar) });
        layout.margin = Object.assign({}, layout.margin, { t: 70 });
      }
    }
    return { data: themedTraces(figure.data), layout };
  }

  function draw(plot) {
    const { data, layout } = fitted(plot.dataset.figure);
    if (printing) layout.width = plot.clientWidth;
    const settings = Object.assign({}, config, { displayModeBar: window.innerWidth < 640 ? false : "hover" });
    return Plotly.react(plot, data, layout, settings).then(() => {
      plot.dataset.drawn = themeName();
    });
  }

  const seen = (element) => element.offsetParent !== null;

  function drawVisible(root) {
    all(".plot", root).filter(seen).forEach((plot) => {
      if (plot.dataset.drawn === themeName()) Plotly.Plots.resize(plot);
      else draw(plot);
    });
  }

  function redraw() {
    all(".plot[data-drawn]").filter(seen).forEach(draw);
  }

  // ---- panels ---------------------------------------------------------------------------------------------------

  function switchTo(name, value) {
    all("select[data-switch]").filter((s) => s.dataset.switch === name).forEach((s) => { s.value = value; });
    all("[data-panel]").filter((p) => p.dataset.panel === name).forEach((panel) => {
      panel.hidden = panel.dataset.value !== value;
      if (!panel.hidden) drawVisible(panel);
    });
    if (name === "output") showOutput(Number(value));
  }

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
    draw(picture);
  }

  function zoomTo(id) {
    const trace = figures.hierarchy.data[0];
    trace.level = trace.parents[trace.ids.indexOf(id)];
    highlighted = id;
    draw(picture).then(() => picture.scrollIntoView({ block: "center" }));
  }

  // ---- search ---------------------------------------------------------------------------------------------------

  const MOST = 25;
  const box = document.getElementById("search");
  const results = document.getElementById("search-results");
  const line = document.getElementById("search-count");

  function cell(row, tag, text, kind) {
    const element = document.createElement(tag);
    element.textContent = text;
    if (kind) element.className = kind;
    row.appendChild(element);
    return element;
  }

  function addRow(body, columns, i) {
    const term = i < store.n_terms;
    const row = document.createElement("tr");
    const head = cell(row, "th", "");
    head.scope = "row";
    cell(head, "span", store.labels[i], "label");
    const id = cell(head, "span", store.pages[i] ? "" : store.ids[i], "id");
    if (store.pages[i]) {
      const link = cell(id, "a", store.ids[i]);
      link.href = store.pages[i];
      link.rel = "noopener noreferrer";
      link.target = "_blank";
    }
    cell(row, "td", term ? "subsystem" : "gene");
    cell(row, "td", term ? String(store.n_genes[i]) : "\u2013", "num");
    cell(row, "td", known(columns.rank[i]) ? String(columns.rank[i]) : "\u2013", "num");
    cell(row, "td", interval(columns, i, 4), "num");
    cell(row, "td", fixed(columns.z[i], 1), "num");
    cell(row, "td", probability(columns.q[i]), "num");
    const action = cell(row, "td", "");
    const targets = store.terms_of[i] || [];
    if (term || targets.length) {
      const button = cell(action, "button", term ? "show" : targets.length === 1 ? "its term" : "its " + targets.length + " terms", "show");
      button.type = "button";
      button.addEventListener("click", () => (term ? zoomTo(store.ids[i]) : list(targets, "subsystems that read " + store.labels[i])));
    }
    body.appendChild(row);
  }

  function list(found, what) {
    const columns = store.outputs[current];
    const body = results.querySelector("tbody");
    body.textContent = "";
    const rank = (i) => (known(columns.rank[i]) ? columns.rank[i] : Infinity);
    found.slice().sort((a, b) => rank(a) - rank(b)).slice(0, MOST).forEach((i) => addRow(body, columns, i));
    results.hidden = !found.length;
    document.getElementById("search-caption").textContent = "For " + columns.name + ", n = " + store.networks + " networks, seed " + store.seed;
    const more = found.length > MOST ? "; the " + MOST + " of best rank are listed" : "";
    line.textContent = found.length ? found.length + " " + what + more + "." : "Nothing found.";
  }

  function search() {
    if (!box) return;
    const wanted = box.value.trim().toLowerCase();
    if (wanted.length < 2 || !store.outputs.length) {
      results.hidden = true;
      line.textContent = wanted ? "Type at least two characters." : "";
      return;
    }
    const found = [];
    store.ids.forEach((id, i) => {
      if (id.toLowerCase().includes(wanted) || store.labels[i].toLowerCase().includes(wanted)) found.push(i);
    });
    list(found, "found");
  }

  // ---- start ----------------------------------------------------------------------------------------------------

  all("select[data-switch]").forEach((select) => {
    select.addEventListener("change", () => switchTo(select.dataset.switch, select.value));
  });
  all("details").forEach((details) => details.addEventListener("toggle", () => details.open && drawVisible(details)));
  all("input.filter").forEach((input) => {
    const items = all("li", input.closest("details"));
    const none = document.createElement("p");
    none.className = "note";
    none.textContent = "No match among the names listed here.";
    none.hidden = true;
    input.after(none);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      items.forEach((item) => { item.hidden = !item.textContent.toLowerCase().includes(wanted); });
      none.hidden = items.some((item) => !item.hidden);
    });
  });
  if (picture) document.getElementById("choose-shape").addEventListener("change", (event) => reshape(event.target.value));
  if (box) box.addEventListener("input", search);  // a report on DNA has nothing to search
  dark.addEventListener("change", redraw);
  function print(on) {
    printing = on;
    document.body.classList.toggle("printing", on); // as wide as paper, so that the figures are drawn for it
    redraw();
  }
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));

  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const places = Array.from(links.keys(), (id) => document.getElementById(id));
  function mark() {
    const past = places.filter((place) => place.getBoundingClientRect().top < window.innerHeight * 0.35);
    const here = past.length ? past[past.length - 1].id : places[0].id;
    links.forEach((link, id) => (id === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  }
  window.addEventListener("scroll", mark, { passive: true });
  mark();

  // One figure a turn, so that the page answers while they are drawn.
  const waiting = all(".plot").filter(seen);
  (function next() {
    const plot = waiting.shift();
    if (!plot) {
      document.documentElement.dataset.ready = "true";
      return;
    }
    draw(plot).then(() => setTimeout(next, 0));
  })();
})();

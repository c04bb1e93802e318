// Draws the figures in light and dark, and switches panels. Text only ever enters as text.
// Data and plotly lie compressed in elements of the page.
if (typeof DecompressionStream === "undefined") {
  document.getElementById("too-old").hidden = false;
  return;
}
function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
async function run(id) {
  const script = document.createElement("script");
  script.textContent = await unpacked(id).text(); // its hash is in the policy of the page
  document.head.append(script);
}
const [figures, store] = await Promise.all([unpacked("figures").json(), unpacked("explorer").json(), run("plotly")]);
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

// names are plotly text: no markup, but entities, which are not to be cut
const shortened = (text) => (typeof text !== "string" || text.length <= 20 || /[&<]/.test(text) ? text : text.slice(0, 19) + "\u2026");

// on a phone, names beside points and ribbons have room for a few letters
const few = (text) => (typeof text !== "string" || text.length <= 16 || /[&<]/.test(text) ? text : text.slice(0, 15) + "\u2026");
function narrowed(trace) {
  if (trace.mode === "markers+text") return Object.assign({}, trace, { text: trace.text.map(few) });
  if (trace.type === "sankey") return Object.assign({}, trace, { node: Object.assign({}, trace.node, { label: trace.node.label.map(few) }) });
  return trace;
}

function fitted(name) {
  const figure = figures[name];
  const layout = themed(figure.layout);
  if (window.innerWidth < 640) {
    layout.font = Object.assign({}, layout.font, { size: 11 });
    if (layout.xaxis && layout.xaxis.tickangle) layout.xaxis = Object.assign({}, layout.xaxis, { tickangle: -90 });
    Object.keys(layout).filter((key) => /^[xy]axis\d*$/.test(key) && Array.isArray(layout[key].ticktext)).forEach((key) => {
      layout[key] = Object.assign({}, layout[key], { ticktext: layout[key].ticktext.map(shortened) });
    });
    if (layout.coloraxis && layout.coloraxis.colorbar) {
      const bar = { orientation: "h", y: 1.02, yanchor: "bottom", x: 0.5, len: 0.9, title: { text: layout.coloraxis.colorbar.title.text, side: "top" } };
      layout.coloraxis = Object.assign({}, layout.coloraxis, { colorbar: Object.assign({}, layout.coloraxis.colorbar, bar) });
      layout.margin = Object.assign({}, layout.margin, { t: 70 });
    }
  }
  const data = window.innerWidth < 640 ? figure.data.map(narrowed) : figure.data;
  return { data: themedTraces(data), layout };
}

function draw(plot) {
  const { data, layout } = fitted(plot.dataset.figure);
  if (printing) layout.width = plot.clientWidth;
  const settings = Object.assign({}, config, { displayModeBar: window.innerWidth < 640 ? false : "hover" });
  return Plotly.react(plot, data, layout, settings).then(() => {
    plot.dataset.drawn = themeName();
    follow(plot);
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

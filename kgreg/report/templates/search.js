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
  const term = i < store.n_terms && picture;
  const row = document.createElement("tr");
  const head = cell(row, "th", "");
  head.scope = "row";
  cell(head, "span", "", "label").append(linkTo(i));
  const id = cell(head, "span", store.pages[i] ? "" : store.ids[i], "id");
  if (store.pages[i]) {
    const link = cell(id, "a", store.ids[i]);
    link.href = store.pages[i];
    link.rel = "noopener noreferrer";
    link.target = "_blank";
  }
  cell(row, "td", one(i));
  cell(row, "td", store.n_genes[i] ? String(store.n_genes[i]) : "\u2013", "num");
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

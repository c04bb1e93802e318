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
if (box) box.addEventListener("input", search); // where nothing was ranked there is none
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

followAddress();

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

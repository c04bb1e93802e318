// ---- tables and texts to take along ----------------------------------------------------------------------------

const told = document.getElementById("download-said");
async function take(name) {
  const url = URL.createObjectURL(new Blob([await unpacked("table-" + name).blob()], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: url, download: name + ".csv" });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  told.textContent = name + ".csv is being saved.";
}
all("button[data-table]").forEach((button) => button.addEventListener("click", () => take(button.dataset.table)));

function copyOf(id) {
  const source = document.getElementById(id);
  return source.tagName === "UL" ? all("li", source).map((item) => item.textContent).join("\n") : source.textContent;
}
async function copy(id) {
  try {
    await navigator.clipboard.writeText(copyOf(id));
    return true;
  } catch (error) { // not allowed for files in some browsers
    const range = document.createRange();
    range.selectNodeContents(document.getElementById(id));
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
}
all("button[data-copy]").forEach((button) => button.addEventListener("click", async () => {
  button.nextElementSibling.textContent = (await copy(button.dataset.copy)) ? "Copied." : "Selected: copy it with the keyboard.";
}));

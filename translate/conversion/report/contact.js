const all = JSON.parse(document.getElementById("rows").textContent), PER_PAGE = 24;
const make = (tag, facts = {}, ...parts) => {
  const element = Object.assign(document.createElement(tag), facts);
  element.append(...parts);
  return element;
};
const dialog = make("dialog");
dialog.setAttribute("aria-label", "enlarged");
document.querySelector("main").append(dialog);
function enlarge(name, before, after) {
  const close = make("button", { type: "button", textContent: "Close", onclick: () => dialog.close() });
  const bar = make("input", { type: "range", min: 0, max: 100, value: 50 });
  bar.setAttribute("aria-label", `divider of ${name}`);
  const wipe = make("div", { className: "wipe" }, make("img", { src: after, alt: "after" }),
    make("img", { src: before, alt: "before", className: "over" }), make("b", { className: "l", textContent: "before" }),
    make("b", { className: "r", textContent: "after" }), bar);
  for (const image of wipe.querySelectorAll("img"))
    image.onload = () => image.classList.toggle("tiny", image.naturalWidth <= 256);
  dialog.replaceChildren(make("p", { className: "bar" }, make("strong", { textContent: name }), close), wipe);
  prepareWipe(wipe);
  dialog.showModal();
  bar.focus();
}
for (const button of document.querySelectorAll(".pairs .zoom")) {
  const images = [...button.querySelectorAll("img")], name = button.getAttribute("aria-label").replace("enlarge ", "");
  button.onclick = () => enlarge(name, images[0].src, images.at(-1).src);
}
function picture(address, alt) {
  const image = make("img", { src: address, alt, loading: "lazy" });
  image.onerror = () => image.replaceWith(make("span", { textContent: `${alt}: no picture here` }));
  return image;
}
function figure([name, address, status, reason, change, outputs]) {
  const before = all.input + address, links = [make("a", { href: before, textContent: "input" })];
  for (const [place, [, target]] of outputs.entries())
    links.push(make("a", { href: target, textContent: outputs.length > 1 ? `output ${place + 1}` : "output" }));
  const notes = change === null ? "" : ` · changed by ${(100 * change).toFixed(1)} %`;
  const caption = make("figcaption", {}, make("div", { textContent: name + notes }), ...links);
  if (status !== "done" || reason)
    caption.append(make("div", { className: status, textContent: status === "done" ? reason : `${status}: ${reason}` }));
  if (!outputs.length) return make("figure", {}, caption);
  const after = outputs[0][1];
  const button = make("button", { type: "button", className: "zoom" }, picture(before, "before"), picture(after, "after"));
  button.setAttribute("aria-label", `enlarge ${name}`);
  button.onclick = () => enlarge(name, before, after);
  return make("figure", {}, button, caption);
}
function select(label, choices) {
  const field = make("select", {}, ...Object.entries(choices).map(([value, textContent]) => make("option", { value, textContent })));
  return [make("label", {}, label, field), field];
}
const count = status => all.rows.filter(row => row[2] === status).length;
const [shown, which] = select("show", { every: `all ${all.rows.length.toLocaleString("en")}`,
  done: `converted ${count("done").toLocaleString("en")}`, failed: `failed ${count("failed").toLocaleString("en")}`,
  skipped: `skipped ${count("skipped").toLocaleString("en")}` });
const [ordered, order] = select("order", { name: "by name", most: "largest change first", least: "smallest change first" });
const search = make("input", { type: "search", size: 12 });
const back = make("button", { type: "button", textContent: "Previous" });
const next = make("button", { type: "button", textContent: "Next" });
const told = make("output"), grid = make("div", { className: "page" });
document.getElementById("all").append(make("div", { className: "bar controls" }, shown, ordered,
  make("label", {}, "name has", search), back, told, next), grid);
let at = 0;
function chosen() {
  const words = search.value.toLowerCase();
  const rows = all.rows.filter(row => (which.value === "every" || row[2] === which.value) && row[0].toLowerCase().includes(words));
  const sign = { most: -1, least: 1 }[order.value];
  if (sign) rows.sort((a, b) => (a[4] === null) - (b[4] === null) || sign * (a[4] - b[4]));
  return rows;
}
function show(place) {
  const rows = chosen(), pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
  at = Math.min(Math.max(0, place), pages - 1);
  grid.replaceChildren(...rows.slice(at * PER_PAGE, (at + 1) * PER_PAGE).map(figure));
  told.textContent = `page ${at + 1} of ${pages}, ${rows.length.toLocaleString("en")} ${rows.length === 1 ? "image" : "images"}`;
  back.disabled = at === 0;
  next.disabled = at === pages - 1;
}
for (const field of [which, order, search]) field.oninput = () => show(0);
back.onclick = () => show(at - 1);
next.onclick = () => show(at + 1);
show(0);

for (const part of document.querySelectorAll(".steps")) {
  const images = [...part.querySelectorAll("img")], bar = part.querySelector("input"), text = part.querySelector("output");
  const show = () => {
    images.forEach((image, i) => image.hidden = i != bar.value);
    text.textContent = images[bar.value].alt;
    bar.setAttribute("aria-valuetext", images[bar.value].alt);
  };
  if (!bar) continue;
  bar.oninput = show;
  show();
  for (const button of part.querySelectorAll("button")) button.onclick = () => { bar.value = button.dataset.place; show(); };
}
for (const part of document.querySelectorAll(".pairs")) {
  const shown = [...part.querySelectorAll(".compare")], buttons = [...part.querySelectorAll(".thumbs button")];
  buttons.forEach((button, i) => button.onclick = () => {
    shown.forEach((one, j) => one.hidden = i != j);
    buttons.forEach((one, j) => one.setAttribute("aria-pressed", i == j));
  });
}
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg"), text = chart.querySelector("output"), last = text.textContent;
  if (!svg) continue;
  const points = chart.dataset.points.split(" ").map(p => p.split(",").map(Number));
  const [first, final] = svg.dataset.box.split(",").map(Number);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("class", "cursor");
  svg.append(line);
  svg.onpointermove = event => {
    const box = svg.getBoundingClientRect(), wide = svg.viewBox.baseVal.width;
    const x = (event.clientX - box.left) / box.width * wide;
    const step = first + (x - plot.left) / (wide - plot.left - plot.right) * (final - first);
    const near = points.reduce((a, b) => Math.abs(b[0] - step) < Math.abs(a[0] - step) ? b : a);
    const at = plot.left + (near[0] - first) / (final - first) * (wide - plot.left - plot.right);
    line.setAttribute("d", `M${at} ${plot.top}V${svg.viewBox.baseVal.height - plot.bottom}`);
    text.textContent = `step ${Math.round(near[0]).toLocaleString("en")}: ${near[1].toPrecision(4)}`;
  };
  svg.onpointerleave = () => { line.removeAttribute("d"); text.textContent = last; };
}
let folded = [];
// nothing can be unfolded on paper
onbeforeprint = () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const part of folded) part.open = true;
};
onafterprint = () => { for (const part of folded) part.open = false; };

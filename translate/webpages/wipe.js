for (const wipe of document.querySelectorAll(".wipe")) prepareWipe(wipe);
function prepareWipe(wipe) {
  const bar = wipe.querySelector("input");
  const show = () => {
    wipe.style.setProperty("--x", bar.value + "%");
    bar.setAttribute("aria-valuetext", `${bar.value} % before, ${100 - bar.value} % after`);
  };
  const follow = event => {
    const box = wipe.getBoundingClientRect();
    bar.value = Math.round(100 * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    show();
  };
  bar.oninput = show;
  wipe.onpointerdown = event => {
    if (event.button) return;
    event.preventDefault();
    wipe.setPointerCapture(event.pointerId);
    bar.focus({ preventScroll: true });
    follow(event);
  };
  wipe.onpointermove = event => { if (wipe.hasPointerCapture(event.pointerId)) follow(event); };
  wipe.ondragstart = event => event.preventDefault();
  show();
}

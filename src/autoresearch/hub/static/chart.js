// What JavaScript adds to a chart: a tip about the mark under the pointer, and zoom by dragging.

export function start(root) {
  for (const svg of root.querySelectorAll("svg[data-chart]")) { tips(svg); zoom(svg); }
}

function makeTip() {
  return Object.assign(document.createElement("div"), { className: "tip", hidden: true });
}

function tips(svg) {
  const tip = document.querySelector(".tip") || document.body.appendChild(makeTip());
  const show = (event) => {
    const mark = event.target.closest?.("a[data-v]");
    tip.hidden = !mark;
    if (!mark) return;
    const { n, v, a, d } = mark.dataset;
    tip.textContent = `#${n}  ${v}  ${a}: ${d}`;
    const box = mark.getBoundingClientRect();
    tip.style.left = `${Math.min(box.left + 12, innerWidth - 330)}px`;
    tip.style.top = `${box.bottom + 10}px`;
  };
  svg.addEventListener("pointerover", show);
  svg.addEventListener("focusin", show);
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
  svg.addEventListener("focusout", () => { tip.hidden = true; });
}

function zoom(svg) {
  const { left, right, start, total, x } = svg.dataset;
  if (x !== "number" || +total < 4) return;
  const at = (event) => {
    const inverse = svg.getScreenCTM().inverse();
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(inverse);
    return Math.max(+left, Math.min(+right, point.x));
  };
  let from, band;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("a")) return;
    from = at(event);
    band = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
    band.setAttribute("class", "zoom");
    band.setAttribute("y", 0);
    band.setAttribute("height", "100%");
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!band) return;
    const to = at(event);
    band.setAttribute("x", Math.min(from, to));
    band.setAttribute("width", Math.abs(to - from));
  });
  svg.addEventListener("pointerup", (event) => {
    if (!band) return;
    const number = (u) => Math.round(+start + (u - left) / (right - left) * total - 0.5);
    const [low, high] = [from, at(event)].sort((a, b) => a - b);
    band.remove();
    band = null;
    if (high - low < 12) return;
    const address = new URL(location.href);
    address.searchParams.set("from", Math.max(1, number(low)));
    address.searchParams.set("to", Math.max(2, number(high)));
    location.assign(address);
  });
}

// What JavaScript adds to a chart: a tip about the mark under the pointer, and zoom by dragging.

const REACH_PX = 14;

export function start(root) {
  for (const svg of root.querySelectorAll("svg[data-chart]")) { tips(svg); zoom(svg); }
}

function makeTip() {
  return Object.assign(document.createElement("div"), { className: "tip", hidden: true });
}

// The mark whose middle is closest to the pointer, so that those which lie over each other can all
// be reached.
function nearest(svg, event) {
  let found = null, least = REACH_PX;
  for (const mark of svg.querySelectorAll("a[data-v]")) {
    const box = mark.getBoundingClientRect();
    const away = Math.hypot(box.x + box.width / 2 - event.clientX,
      box.y + box.height / 2 - event.clientY);
    if (away < least) [found, least] = [mark, away];
  }
  return found;
}

function tips(svg) {
  const tip = document.querySelector(".tip") || document.body.appendChild(makeTip());
  let near = null;
  const show = (mark) => {
    if (mark === near) return;
    near?.classList.remove("near");
    near = mark;
    tip.hidden = !mark;
    svg.classList.toggle("near", !!mark);
    if (!mark) return;
    mark.classList.add("near");
    const { n, v, a, d } = mark.dataset;
    tip.textContent = `#${n}  ${v}  ${a}: ${d}`;
    const box = mark.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(box.left + 12, innerWidth - 330))}px`;
    const below = box.bottom + 10;
    tip.style.top = `${below + tip.offsetHeight < innerHeight ? below
      : box.top - 10 - tip.offsetHeight}px`;
  };
  svg.addEventListener("pointermove", (event) => show(nearest(svg, event)));
  svg.addEventListener("focusin", (event) => show(event.target.closest("a[data-v]")));
  svg.addEventListener("pointerleave", () => show(null));
  svg.addEventListener("focusout", () => show(null));
  svg.addEventListener("click", (event) => {
    const mark = event.isTrusted && event.detail && nearest(svg, event);
    if (!mark || event.target.closest("a") === mark) return;
    event.preventDefault();
    const { ctrlKey, metaKey, shiftKey } = event;
    mark.dispatchEvent(new MouseEvent("click",
      { bubbles: true, cancelable: true, ctrlKey, metaKey, shiftKey }));
  });
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
    if (event.button || nearest(svg, event)) return;
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
    const number = (u) => Math.round(+start - 0.5 + (u - left) / (right - left) * total);
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

// Keeps the changing part of a page fresh: listens to /live, fetches the part again on news, and
// marks what is new. Nothing is lost when the connection drops: the browser resumes after the last
// event it saw, and a part is always fetched whole.

const WAIT_MS = 80; // several events at once are one fetch
const AGAIN_MS = 2000;
const KINDS = ["post", "commit", "push", "agent", "channel", "hidden", "restored"];

export function start(enhance) {
  const part = document.querySelector("#live[data-live-part]");
  if (!part || part.hasAttribute("data-live-off") || !window.EventSource) return;
  const sign = document.querySelector("[data-live]");
  const wanted = part.dataset.liveWhen;
  let timer, busy = false, again = false, last = part.dataset.seq || "";

  function show(on) {
    sign.hidden = false;
    sign.classList.toggle("off", !on);
    sign.querySelector("[data-live-text]").textContent = on ? "live" : "reconnecting";
  }

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      swap(part, await fetchPart(part.dataset.livePart));
      enhance(part);
    } catch { again = true; setTimeout(soon, AGAIN_MS); return; } finally { busy = false; }
    if (again) { again = false; soon(); }
  }

  function soon() { clearTimeout(timer); timer = setTimeout(refresh, WAIT_MS); }

  function hear(event) {
    last = event.lastEventId;
    if (!wanted || [wanted, "hidden", "restored"].includes(event.type)) soon();
  }

  function listen() {
    const address = new URL("../live", import.meta.url); // also where the hub has a base path
    if (last) address.searchParams.set("after", last);
    const events = new EventSource(address);
    let dropped = false;
    events.onopen = () => { show(true); if (dropped) soon(); dropped = false; };
    events.onerror = () => {
      show(false);
      dropped = true;
      if (events.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      setTimeout(() => { soon(); listen(); }, AGAIN_MS);
    };
    for (const kind of KINDS) events.addEventListener(kind, hear);
    addEventListener("online", () => soon());
  }
  listen();
}

async function fetchPart(address) {
  const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("#live");
}

function swap(old, fresh) {
  if (!fresh) return;
  const known = new Set([...old.querySelectorAll("[data-key]")].map((node) => node.dataset.key));
  const active = document.activeElement;
  const focused = old.contains(active) && active.getAttribute("href");
  for (const node of fresh.querySelectorAll("[data-key]"))
    if (!known.has(node.dataset.key)) node.classList.add("new");
  old.replaceChildren(...fresh.childNodes);
  if (focused) old.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

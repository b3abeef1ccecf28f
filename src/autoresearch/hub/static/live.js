// Keeps the part of a page that changes fresh: listens to /live, and on news fetches the same part again and marks what is new.
// Nothing is lost when the connection drops: the browser resumes behind the last event it saw, and a part is always fetched whole.

const WAIT_MS = 80; // several events at once are one fetch
const AGAIN_MS = 2000;

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
      const answer = await fetch(part.dataset.livePart, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) throw new Error(answer.status);
      swap(part, new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#live"));
      enhance(part);
    } catch { again = true; setTimeout(soon, AGAIN_MS); return; } finally { busy = false; }
    if (again) { again = false; soon(); }
  }

  function soon() { clearTimeout(timer); timer = setTimeout(refresh, WAIT_MS); }

  function listen() {
    const events = new EventSource(last ? `/live?after=${last}` : "/live");
    let dropped = false;
    events.onopen = () => { show(true); if (dropped) soon(); dropped = false; };
    events.onerror = () => {
      show(false);
      dropped = true;
      if (events.readyState === EventSource.CLOSED) setTimeout(() => { soon(); listen(); }, AGAIN_MS);
    };
    for (const kind of ["post", "commit", "push", "agent", "channel", "hidden", "restored"])
      events.addEventListener(kind, (event) => { last = event.lastEventId; if (!wanted || kind === wanted || kind === "hidden" || kind === "restored") soon(); });
    addEventListener("online", () => soon());
  }
  listen();
}

function swap(old, fresh) {
  if (!fresh) return;
  const known = new Set([...old.querySelectorAll("[data-key]")].map((node) => node.dataset.key));
  const focused = document.activeElement?.closest?.("#live") ? document.activeElement.getAttribute("href") : null;
  for (const node of fresh.querySelectorAll("[data-key]")) if (!known.has(node.dataset.key)) node.classList.add("new");
  old.replaceChildren(...fresh.childNodes);
  if (focused) old.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

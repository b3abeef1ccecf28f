// What JavaScript adds to pages that read well without it: live parts, copy buttons, relative
// times, light and dark, charts, the graph's keys.
import { start as startLive } from "./live.js";
import { start as startChart } from "./chart.js";

function copyButtons(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.onclick = async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch { // plain http in a local network: the browser lets no page write by itself
        getSelection().selectAllChildren(code);
        document.execCommand("copy");
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    };
  }
}

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
function relativeTimes(root) {
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const seconds = (new Date(time.dateTime) - Date.now()) / 1000;
    if (!time.title) time.title = time.textContent;
    if (Math.abs(seconds) >= 30 * 86400) continue;
    const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
    time.textContent = unit ? format.format(Math.round(seconds / unit[1]), unit[0]) : "just now";
  }
}

// From what the system prefers to the other, then to the same by one's own choice, then back.
function themeSwitch() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return; // in a frame
  const chosen = document.documentElement.dataset;
  const name = () => { button.title = `theme: ${chosen.theme || "system"}`; };
  button.hidden = false;
  name();
  button.onclick = () => {
    const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const other = preferred === "dark" ? "light" : "dark";
    const next = { undefined: other, [other]: preferred, [preferred]: "" }[chosen.theme];
    if (next) chosen.theme = next; else delete chosen.theme;
    name();
    try {
      if (next) localStorage.setItem("theme", next); else localStorage.removeItem("theme");
    } catch { /* private windows forget it */ }
  };
}

const KEYS = [["/", "search"], ["j", "next"], ["k", "previous"], ["Enter", "open"],
  ["?", "these keys"]];
const STOPS = ".row, .post, tbody tr, .commits li, .card";

function showKeys() {
  let box = document.querySelector("dialog.keys");
  if (!box) {
    box = Object.assign(document.createElement("dialog"), { className: "keys" });
    box.setAttribute("aria-label", "Keys");
    for (const [key, words] of KEYS) {
      const line = document.createElement("p");
      line.append(Object.assign(document.createElement("kbd"), { textContent: key }), ` ${words}`);
      box.append(line);
    }
    document.body.append(box);
  }
  if (box.open) box.close(); else box.showModal();
}

function walk(step) {
  const stops = [...document.querySelectorAll(`main :is(${STOPS})`)].filter((e) =>
    e.querySelector("a") && e.getClientRects().length);
  const at = stops.findIndex((e) => e.contains(document.activeElement));
  const to = stops[at < 0 ? (step > 0 ? 0 : stops.length - 1) : at + step];
  if (!to) return;
  to.querySelector("a[href*='/results/'], a[href*='/posts/'], a").focus();
  to.scrollIntoView({ block: "nearest" });
}

function pageKeys() {
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = { "/": () => document.querySelector(".find input")?.focus(), "?": showKeys,
      j: () => walk(1), k: () => walk(-1) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
}

function graphKeys() {
  const list = document.querySelector("[data-dag] .commits");
  if (!list) return;
  const links = [...list.querySelectorAll("a")];
  const byHash = new Map(links.map((link) => [link.dataset.hash, link]));
  list.addEventListener("keydown", (event) => {
    const here = event.target.closest("a");
    if (!here) return;
    const at = links.indexOf(here);
    const to = {
      ArrowDown: links[at + 1], ArrowUp: links[at - 1], Home: links[0], End: links.at(-1),
      ArrowLeft: byHash.get(here.dataset.parents.split(" ")[0]),
      ArrowRight: byHash.get(here.dataset.children.split(" ").at(-1)),
    }[event.key];
    if (to) { event.preventDefault(); to.focus(); }
  });
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
}

function enhance(root) { copyButtons(root); relativeTimes(root); startChart(root); }

enhance(document);
themeSwitch();
pageKeys();
graphKeys();
startLive(enhance);
setInterval(() => relativeTimes(document), 30000);

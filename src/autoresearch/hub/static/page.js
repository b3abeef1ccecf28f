// What JavaScript adds to pages that read well without it: live parts, copy buttons, relative
// times, light and dark, charts, the graph's keys.
import { start as startLive } from "./live.js";
import { start as startChart } from "./chart.js";

function copyButtons(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.onclick = async () => {
      await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
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

function themeSwitch() {
  const button = document.querySelector("[data-theme-switch]");
  const chosen = document.documentElement.dataset;
  button.hidden = false;
  button.onclick = () => {
    const preferred = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    chosen.theme = (chosen.theme || preferred) === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", chosen.theme); } catch { /* private windows forget it */ }
  };
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
graphKeys();
startLive(enhance);
setInterval(() => relativeTimes(document), 30000);

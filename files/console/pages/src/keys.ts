// Keys for those that prefer them; nothing needs them.
import { helpOpen } from "./parts/help";
import { byName } from "./pure/rows";
import { go } from "./router";
import { state } from "./store";

let prefix = "";

function typing(element: EventTarget | null): element is HTMLElement {
  return element instanceof HTMLElement && element.matches("input:not([type=checkbox]), select, textarea");
}

function move(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row]")];
  if (rows.length === 0) return;
  const box = document.activeElement?.closest("[data-row-box]");
  const now = rows.findIndex((row) => row.closest("[data-row-box]") === box && box !== null);
  const next = rows[Math.max(0, Math.min(rows.length - 1, now < 0 ? 0 : now + by))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

function menu(): void {
  const box = document.activeElement?.closest("[data-row-box]");
  (box ?? document).querySelector<HTMLElement>("[data-menu]")?.click();
}

function page(key: string): void {
  if (key === "o") go("");
  else if (key === "e") go("events");
  else if (key === "a") go("actions");
  else if (key === "t") {
    const first = Object.keys(state.value?.tiers ?? {}).sort(byName)[0];
    if (first) go("tier", first);
  }
}

export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector("dialog[open]")) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const former = prefix;
    prefix = "";
    if (former === "g") page(event.key);
    else if (event.key === "g") prefix = "g";
    else if (event.key === "/") document.querySelector<HTMLElement>("main [data-filter]")?.focus();
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === ".") menu();
    else if (event.key === "?") helpOpen.value = true;
    else return;
    event.preventDefault();
  });
}

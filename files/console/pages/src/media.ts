// What the device is like, and the reader's choice of colours.
import { signal } from "@preact/signals";

const query = matchMedia("(max-width: 700px)");
export const narrow = signal(query.matches);
query.addEventListener("change", () => {
  narrow.value = query.matches;
});

const dark = matchMedia("(prefers-color-scheme: dark)");
const chosen = document.documentElement.dataset.theme;
export const theme = signal<"light" | "dark">(
  chosen === "light" || chosen === "dark" ? chosen : dark.matches ? "dark" : "light",
);
dark.addEventListener("change", () => {
  if (!document.documentElement.dataset.theme) theme.value = dark.matches ? "dark" : "light";
});

export function switchTheme(): void {
  theme.value = theme.value === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem("evenkeel.theme", theme.value);
  } catch {
    // It holds until the page is closed.
  }
}

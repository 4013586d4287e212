// The address of a page is behind the #, so that the server sees none of it, and every page is a link.
import { signal } from "@preact/signals";

export interface Route {
  page: string;
  name: string;
  query: URLSearchParams;
}

export function parsed(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", name = ""] = path.split("/", 2);
  let plain = name;
  try {
    plain = decodeURIComponent(name);
  } catch {
    // An address that was cut is no name of a node or tier; the page says so.
  }
  return { page: page || "overview", name: plain, query: new URLSearchParams(query) };
}

export const route = signal<Route>(parsed(location.hash));

export function href(page: string, name = "", query: Record<string, string> = {}): string {
  const kept = Object.entries(query).filter(([, value]) => value !== "");
  const search = kept.length > 0 ? `?${new URLSearchParams(kept)}` : "";
  return `#/${page}${name ? `/${encodeURIComponent(name)}` : ""}${search}`;
}

export function go(page: string, name = "", query: Record<string, string> = {}): void {
  location.hash = href(page, name, query);
}

/** Change the address without a new entry of the history. */
export function amend(query: Record<string, string>): void {
  const { page, name } = route.value;
  history.replaceState(null, "", href(page === "overview" ? "" : page, name, query));
  route.value = parsed(location.hash);
}

export function startRouter(): void {
  window.addEventListener("hashchange", () => {
    const before = route.value;
    route.value = parsed(location.hash);
    if (before.page === route.value.page && before.name === route.value.name) return;
    window.scrollTo(0, 0);
    // The focus goes to the new page, so that a reader without a screen knows that there is one.
    requestAnimationFrame(() => document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true }));
  });
}

// A list of the server, page by page, that is loaded again when something may have been missed.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, linesOf } from "../api";
import { PAGE, refreshed } from "../pure/pages";

// So many pages are loaded for a search without being asked; the button loads others.
const MOST_PAGES = 20;

export interface Pages<T> {
  list: T[];
  /** Whether there is nothing older. */
  whole: boolean;
  loading: boolean;
  problems: string[];
  more: () => void;
}

interface Found<T> {
  path: string;
  list: T[];
  whole: boolean;
  pages: number;
}

/** The entries at a path; older pages until there are enough. `again` is another value when it is to be asked again. */
export function usePages<T extends { number?: number; at: number }>(
  path: string,
  enough: (list: T[]) => boolean,
  again: unknown,
): Pages<T> {
  const none: Found<T> = { path, list: [], whole: false, pages: 0 };
  const [kept, setKept] = useState<Found<T>>(none);
  const [loading, setLoading] = useState(true);
  const [problems, setProblems] = useState<string[]>([]);
  const found = kept.path === path ? kept : none;
  const newest = useRef(found);
  newest.current = found;
  const flight = useRef<AbortController | null>(null);

  // A slow answer must not replace that of a newer question: there is one at a time.
  async function load(before?: number): Promise<void> {
    flight.current?.abort();
    const abort = new AbortController();
    flight.current = abort;
    setLoading(true);
    try {
      const from = before === undefined ? "" : `&before=${before}`;
      const page = await get<T[]>(`${path}count=${PAGE}${from}`, abort.signal);
      if (abort.signal.aborted) return;
      const old = newest.current;
      const ends = page.length < PAGE;
      if (before === undefined) {
        const { list, meets } = refreshed(old.list, page);
        setKept({ path, list, whole: ends || (meets && old.whole), pages: Math.max(1, meets ? old.pages : 1) });
      } else setKept({ path, list: [...old.list, ...page], whole: ends, pages: old.pages + 1 });
      setProblems([]);
    } catch (error) {
      if (abort.signal.aborted) return;
      setProblems(linesOf(error));
    }
    setLoading(false);
  }

  useEffect(() => {
    void load();
    return () => flight.current?.abort();
  }, [path, again]);

  const last = found.list.at(-1)?.number;
  const goesOn = !loading && !found.whole && problems.length === 0 && found.pages < MOST_PAGES && !enough(found.list);
  useEffect(() => {
    if (goesOn && last !== undefined) void load(last);
  }, [goesOn, last]);
  return {
    list: found.list,
    whole: found.whole,
    loading,
    problems,
    more: () => {
      if (last !== undefined) void load(last);
    },
  };
}

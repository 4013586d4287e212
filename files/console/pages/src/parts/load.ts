// Data that is asked for by a page, and asked for again while it is seen.
import { useEffect, useState } from "preact/hooks";
import { get, linesOf } from "../api";
import { live } from "../store";

export interface Loaded<T> {
  value: T | null;
  problems: string[];
  again: () => void;
}

/** What a path gives; asked again after so many seconds, and when the console is live again. */
export function useLoaded<T>(path: string, everySeconds = 0): Loaded<T> {
  const [found, setFound] = useState<{ path: string; value: T | null; problems: string[] }>({
    path,
    value: null,
    problems: [],
  });
  const [turn, setTurn] = useState(0);
  const isLive = live.value;
  useEffect(() => {
    if (!path) return;
    const abort = new AbortController();
    const load = async () => {
      if (document.hidden) return;
      try {
        const value = await get<T>(path, abort.signal);
        setFound({ path, value, problems: [] });
      } catch (error) {
        if (abort.signal.aborted) return;
        setFound((old) => ({ path, value: old.path === path ? old.value : null, problems: linesOf(error) }));
      }
    };
    void load();
    const timer = everySeconds > 0 ? setInterval(() => void load(), everySeconds * 1000) : undefined;
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [path, everySeconds, turn, isLive]);
  const value = found.path === path ? found.value : null;
  return { value, problems: found.problems, again: () => setTurn((old) => old + 1) };
}

// The log of a node: it follows until the reader scrolls up, and never grows beyond its bound.
import type { JSX, VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { linesOf, Refused, request, values } from "../api";
import { narrow } from "../media";
import { isGone } from "../pure/changes";
import { moment, plural, utc } from "../pure/format";
import { LogLines, MOST_LINES, type Numbered } from "../pure/loglines";
import { clock, live, state } from "../store";
import { Problems } from "./bits";

const TAIL = 500;
const DRAW_MS = 250;
const AGAIN_MS = 2000;

interface Kept extends Numbered {
  drawn: VNode | null;
}

function useLog(node: string): { buffer: LogLines<Kept>; problems: string[]; open: boolean } {
  const buffer = useRef(new LogLines<Kept>((line) => ({ ...line, drawn: null }))).current;
  const [, setTurn] = useState(0);
  const [problems, setProblems] = useState<string[]>([]);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    let over = false;
    let abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = () => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setTurn((old) => old + 1);
      }, DRAW_MS);
    };
    const follow = async () => {
      while (!over) {
        abort = new AbortController();
        try {
          if (!document.hidden) {
            const answer = await request(`/api/nodes/${node}/log?tail=${TAIL}&follow=1`, { signal: abort.signal });
            setProblems([]);
            setOpen(true);
            buffer.opened();
            for await (const value of values(answer)) {
              const [stream, text] = value as [string, string];
              if (buffer.add(stream, text)) draw();
            }
          }
        } catch (error) {
          if (over) return;
          if (!document.hidden) setProblems(linesOf(error));
          // A node that is gone has no log to come back. Before its first look, an agent refuses all nodes.
          const unknown = error instanceof Refused && error.status === 404;
          if (unknown && isGone(live.value, state.value, node)) return setOpen(false);
        }
        setOpen(false);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    };
    // A hidden page reads nothing, so that the engine's stream ends.
    const hide = () => {
      if (document.hidden) abort.abort();
    };
    document.addEventListener("visibilitychange", hide);
    void follow();
    return () => {
      over = true;
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", hide);
    };
  }, [node, buffer]);
  return { buffer, problems, open };
}

function drawn(line: Kept): VNode {
  const at = line.time ? Date.parse(line.time) / 1000 : Number.NaN;
  line.drawn ??= (
    <div key={line.number} class={line.stream === "stderr" ? "log-line stderr" : "log-line"}>
      <span class="log-time" title={Number.isNaN(at) ? "" : utc(at)}>
        {Number.isNaN(at) ? "" : moment(at, clock.peek())}
      </span>
      <span class="log-text">
        {line.parts.map((part, index) => (
          <span key={index} class={part.look}>
            {part.text}
          </span>
        ))}
      </span>
    </div>
  );
  return line.drawn;
}

export function Log({ node, name }: { node: string; name: string }): JSX.Element {
  const { buffer, problems, open } = useLog(node);
  const [follow, setFollow] = useState(true);
  const [filter, setFilter] = useState("");
  const [wrap, setWrap] = useState(narrow.peek());
  const [copied, setCopied] = useState("");
  const place = useRef<HTMLElement>(null);
  // What stands still while the reader reads.
  const frozen = useRef<Kept[]>([]);
  const frozenAt = useRef(0);
  if (follow) {
    frozen.current = buffer.lines;
    frozenAt.current = buffer.count;
  }
  const words = filter.toLowerCase();
  const fits = (line: Kept) => words === "" || line.plain.toLowerCase().includes(words);
  const shown = (follow ? buffer.lines.slice(-MOST_LINES) : frozen.current).filter(fits);
  const fresh = follow ? 0 : buffer.lines.filter((line) => line.number > frozenAt.current && fits(line)).length;

  useLayoutEffect(() => {
    const element = place.current;
    if (element && follow) element.scrollTop = element.scrollHeight;
  });

  function turn(on: boolean): void {
    // Lines that come later go to another list, so what is shown stays.
    if (!on) frozen.current = [...buffer.lines];
    setFollow(on);
  }

  function scrolled(): void {
    const element = place.current;
    if (!element) return;
    const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
    if (!atEnd && follow) turn(false);
    else if (atEnd && !follow && fresh === 0) turn(true);
  }

  const text = () => shown.map((line) => (line.time ? `${line.time} ${line.plain}` : line.plain)).join("\n");

  async function copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(text());
      setCopied(`${plural(shown.length, "line")} copied`);
    } catch {
      // Browsers give the clipboard to pages of localhost and HTTPS alone.
      const range = document.createRange();
      if (place.current) range.selectNodeContents(place.current);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      setCopied("selected: copy it with your keyboard");
    }
  }

  function download(): void {
    const url = URL.createObjectURL(new Blob([`${text()}\n`], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = `${name}.log`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  return (
    <section aria-labelledby="log" class="log">
      <div class="row between">
        <h2 id="log">Log</h2>
        <div class="row filters">
          <label>
            filter
            <input
              type="search"
              value={filter}
              data-filter
              spellcheck={false}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          </label>
          <label class="check">
            <input type="checkbox" checked={follow} onChange={(event) => turn(event.currentTarget.checked)} />
            follow
          </label>
          <label class="check">
            <input type="checkbox" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} />
            wrap
          </label>
          <button type="button" onClick={() => void copy()}>
            Copy
          </button>
          <button type="button" onClick={download}>
            Download
          </button>
        </div>
      </div>
      <p class="quiet log-status" role="status">
        {copied || (open ? "" : problems.length > 0 ? "" : "The log is not followed now; it is opened again.")}
      </p>
      <Problems lines={problems} />
      <div class="log-frame">
        <section
          ref={place}
          class={wrap ? "log-lines wrap" : "log-lines"}
          aria-label={`Log of ${name}`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
          tabIndex={0}
          onScroll={scrolled}
        >
          {shown.length === 0 && (
            <p class="quiet">{filter ? "No line fits the filter." : "It has written nothing yet."}</p>
          )}
          {shown.map(drawn)}
        </section>
        {fresh > 0 && (
          <button type="button" class="fresh primary" onClick={() => turn(true)}>
            ↓ {plural(fresh, "new line")}
          </button>
        )}
      </div>
    </section>
  );
}

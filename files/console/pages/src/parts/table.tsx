// The nodes of a tier. Only rows that can be seen are drawn: a thousand nodes stay fluent.
import type { JSX, RefObject } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../api";
import type { Node, Sample } from "../contract";
import { narrow } from "../media";
import { bytes, cpu, latency, rate, short } from "../pure/format";
import { type Column, type Order, shares, sorted, visible, type Window } from "../pure/rows";
import { counting, MOST_SAMPLES, pauseOf, type Taken, turnOf } from "../pure/samples";
import { nextVerb } from "../pure/verbs";
import { href } from "../router";
import { live, me } from "../store";
import { Ago, Share, StateWord, Tags } from "./bits";
import { MenuButton, VerbButton } from "./menu";

const ROW = 34;
const ROW_NARROW = 84;
const SAMPLE_MS = 3000;
type Samples = Record<string, Taken>;
const NO_SAMPLES: Samples = {};

interface Head {
  column: Column;
  text: string;
  title?: string;
  number?: boolean;
}

const HEADS: Head[] = [
  { column: "name", text: "node" },
  { column: "state", text: "state" },
  { column: "share", text: "share" },
  { column: "rate", text: "req/s", number: true },
  { column: "p95", text: "p50 / p95", number: true },
  { column: "cpu", text: "CPU", title: "100 % is one core", number: true },
  { column: "memory", text: "memory", title: "of its limit", number: true },
  { column: "restarts", text: "restarts", number: true },
  { column: "age", text: "age", title: "since it started or ended", number: true },
  { column: "revision", text: "revision" },
];

function useVisible(place: RefObject<HTMLElement | null>, count: number, height: number): Window {
  const [found, setFound] = useState<Window>({ first: 0, last: Math.min(count, 40) });
  useLayoutEffect(() => {
    const look = () => {
      const element = place.current;
      if (!element) return;
      const top = -element.getBoundingClientRect().top;
      const next = visible(count, height, Math.max(0, top), window.innerHeight + Math.min(0, top));
      setFound((old) => (old.first === next.first && old.last === next.last ? old : next));
    };
    look();
    window.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      window.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [place, count, height]);
  return { first: Math.min(found.first, count), last: Math.min(found.last, count) };
}

/** Ask for CPU and memory of these nodes, again and again. */
function useSampling(ids: readonly string[], setSamples: (add: (old: Samples) => Samples) => void): void {
  const wanted = ids.join(",");
  const isLive = live.value;
  const turn = useRef(0);
  useEffect(() => {
    if (!wanted || !isLive) return;
    const all = wanted.split(",");
    const there = new Set(all);
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      const begun = performance.now();
      let found: Record<string, Sample> = {};
      if (!document.hidden) {
        try {
          const path = `/api/samples?nodes=${turnOf(all, turn.current).join(",")}`;
          found = await get<Record<string, Sample>>(path, abort.signal);
        } catch {
          // What was not measured grows old.
        }
      }
      if (abort.signal.aborted) return;
      turn.current += 1;
      setSamples((old) => counting(old, found, there, performance.now() / 1000));
      const spent = performance.now() - begun;
      timer = setTimeout(() => void load(), Math.max(100, pauseOf(all.length, SAMPLE_MS) - spent));
    };
    // While rows fly past, nothing is asked.
    timer = setTimeout(() => void load(), 200);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [wanted, isLive, setSamples]);
}

/** When the row with the focus is gone, the next one gets it. */
function useFocusKept(place: RefObject<HTMLElement | null>, ids: readonly string[]): void {
  const last = useRef<{ id: string; index: number } | null>(null);
  useEffect(() => {
    const element = place.current;
    const note = (event: FocusEvent) => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-node]") : null;
      const id = row?.dataset.node ?? "";
      last.current = id ? { id, index: Number(row?.dataset.index) } : null;
    };
    element?.addEventListener("focusin", note);
    return () => element?.removeEventListener("focusin", note);
  }, [place]);
  useEffect(() => {
    const former = last.current;
    if (!former || ids.includes(former.id) || document.activeElement !== document.body) return;
    const index = Math.min(former.index, ids.length - 1);
    place.current?.querySelector<HTMLElement>(`[data-index="${index}"] [data-row]`)?.focus();
  });
}

export function NodeTable({ nodes, all }: { nodes: Node[]; all: Node[] }): JSX.Element {
  const [order, setOrder] = useState<Order>({ column: "name", descending: false });
  const [taken, setTaken] = useState<Samples>(NO_SAMPLES);
  const bySample = order.column === "cpu" || order.column === "memory";
  const samples = bySample ? taken : NO_SAMPLES;
  // Scrolling alone draws other rows of the same order.
  const rows = useMemo(() => sorted(nodes, order, samples), [nodes, order, samples]);
  const ids = useMemo(() => rows.map((node) => node.id), [rows]);
  const place = useRef<HTMLElement | null>(null);
  const height = narrow.value ? ROW_NARROW : ROW;
  const seen = useVisible(place, rows.length, height);
  const shown = rows.slice(seen.first, seen.last);
  // By any other column the rows in sight are enough; by CPU or memory, all must be known to find the first ones.
  const inSight = shown.slice(0, MOST_SAMPLES).map((node) => node.id);
  const sampled = useMemo(() => (bySample ? nodes.map((node) => node.id).sort() : []), [bySample, nodes]);
  useSampling(bySample ? sampled : inSight, setTaken);
  useFocusKept(place, ids);
  const parts = useMemo(() => shares(all), [all]);
  const before = seen.first * height;
  const behind = (rows.length - seen.last) * height;
  const common = { shown, first: seen.first, parts, samples: taken };
  if (narrow.value) {
    return (
      <>
        <OrderChoice order={order} setOrder={setOrder} />
        <ul class="node-cards" ref={place as RefObject<HTMLUListElement>}>
          {before > 0 && <li class="gap" aria-hidden="true" style={{ height: `${before}px` }} />}
          {common.shown.map((node, index) => (
            <Card
              key={node.id}
              node={node}
              index={seen.first + index}
              part={parts.get(node.id) ?? null}
              sample={taken[node.id]}
            />
          ))}
          {behind > 0 && <li class="gap" aria-hidden="true" style={{ height: `${behind}px` }} />}
        </ul>
      </>
    );
  }
  return (
    <table class="nodes" aria-rowcount={rows.length + 1}>
      <Columns order={order} setOrder={setOrder} />
      <tbody ref={place as RefObject<HTMLTableSectionElement>}>
        {before > 0 && <Gap height={before} />}
        {common.shown.map((node, index) => (
          <Row
            key={node.id}
            node={node}
            index={seen.first + index}
            part={parts.get(node.id) ?? null}
            sample={taken[node.id]}
          />
        ))}
        {behind > 0 && <Gap height={behind} />}
      </tbody>
    </table>
  );
}

function Gap({ height }: { height: number }): JSX.Element {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in it can have the focus
    <tr class="gap" aria-hidden="true">
      <td colSpan={HEADS.length + 1} style={{ height: `${height}px` }} />
    </tr>
  );
}

function turned(order: Order, column: Column): Order {
  if (order.column === column) return { column, descending: !order.descending };
  return { column, descending: !["name", "state", "revision"].includes(column) };
}

function Columns({ order, setOrder }: { order: Order; setOrder: (order: Order) => void }): JSX.Element {
  return (
    <thead>
      <tr>
        {HEADS.map((head) => (
          <th
            key={head.column}
            scope="col"
            class={`col-${head.column}${head.number ? " num" : ""}`}
            title={head.title}
            aria-sort={order.column !== head.column ? "none" : order.descending ? "descending" : "ascending"}
          >
            <button type="button" class="sort" onClick={() => setOrder(turned(order, head.column))}>
              {head.text}
              <span class="arrow" aria-hidden="true">
                {order.column === head.column ? (order.descending ? "↓" : "↑") : ""}
              </span>
            </button>
          </th>
        ))}
        <th scope="col" class="col-do">
          <span class="sr">do</span>
        </th>
      </tr>
    </thead>
  );
}

function OrderChoice({ order, setOrder }: { order: Order; setOrder: (order: Order) => void }): JSX.Element {
  return (
    <div class="row filters">
      <label>
        order
        <select
          value={order.column}
          onChange={(event) =>
            setOrder(turned({ column: "name", descending: true }, event.currentTarget.value as Column))
          }
        >
          {HEADS.map((head) => (
            <option key={head.column} value={head.column}>
              {head.text}
            </option>
          ))}
        </select>
      </label>
      <button type="button" onClick={() => setOrder({ ...order, descending: !order.descending })}>
        {order.descending ? "falling ↓" : "rising ↑"}
      </button>
    </div>
  );
}

interface RowProps {
  node: Node;
  index: number;
  part: number | null;
  sample: Sample | undefined;
}

function title(node: Node): string {
  return [node.reason, node.advice && `What to do: ${node.advice}`].filter(Boolean).join(". ");
}

function Memory({ node, sample }: { node: Node; sample: Sample | undefined }): JSX.Element {
  return (
    <>
      {bytes(sample?.memory)}
      {node.memory_limit > 0 && <span class="quiet"> / {bytes(node.memory_limit)}</span>}
    </>
  );
}

function Row({ node, index, part, sample }: RowProps): JSX.Element {
  return (
    <tr data-row-box data-node={node.id} data-index={index} aria-rowindex={index + 2}>
      <th scope="row">
        <a href={href("node", node.id)} data-row>
          {node.name}
        </a>
        <Tags node={node} />
      </th>
      <td class="col-state" title={title(node)}>
        <StateWord node={node} full />
      </td>
      <td>
        <Share part={part} />
      </td>
      <td class="num">{node.requests > 0 || node.rate > 0 ? rate(node.rate) : "–"}</td>
      <td class="num">
        {latency(node.p50)} / {latency(node.p95)}
      </td>
      <td class="num">{cpu(sample?.cpu)}</td>
      <td class="num">
        <Memory node={node} sample={sample} />
      </td>
      <td class="num">{node.restarts}</td>
      <td class="num">
        <Ago at={node.since} />
      </td>
      <td>
        <code title={node.revision}>{short(node.revision).slice(0, 7)}</code>
      </td>
      <td class="col-do">
        <span class="row-buttons">
          <VerbButton verb={nextVerb(node)} node={node} short />
          {(me.value?.verbs.length ?? 0) > 0 && <MenuButton node={node} />}
        </span>
      </td>
    </tr>
  );
}

function Card({ node, index, part, sample }: RowProps): JSX.Element {
  return (
    <li class="node-card" data-row-box data-node={node.id} data-index={index}>
      <div class="node-text">
        <p class="cut">
          <a href={href("node", node.id)} data-row>
            {node.name}
          </a>
          <Tags node={node} /> <StateWord node={node} full />
        </p>
        <p class="quiet num-left cut">
          {node.requests > 0 || node.rate > 0 ? rate(node.rate) : "–"} req/s
          {part === null ? "" : ` (${Math.round(part * 100)} %)`}, p95 {latency(node.p95)}, {bytes(sample?.memory)}
        </p>
      </div>
      <MenuButton node={node} />
    </li>
  );
}

// One node: why it is in its state, what can be done, what it says.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import type { Node, Sample } from "../contract";
import { AskOperator, Empty, Heading, StateWord, Tags, Time } from "../parts/bits";
import { Log } from "../parts/log";
import { Verbs } from "../parts/menu";
import { bytes, cpu, latency, NONE, rate } from "../pure/format";
import { shares } from "../pure/rows";
import { href, route } from "../router";
import { live, state, why } from "../store";

const SAMPLE_MS = 3000;

export function NodePage(): JSX.Element {
  const id = route.value.name;
  const now = state.value;
  const [last, setLast] = useState<Node | null>(null);
  const node = now?.nodes[id] ?? null;
  useEffect(() => {
    if (node) setLast(node);
  }, [node]);
  const shown = node ?? (last?.id === id ? last : null);
  if (!now) return <Heading>{id.slice(0, 12)}</Heading>;
  if (!shown) {
    return (
      <>
        <Heading>{id.slice(0, 12)}</Heading>
        <Empty>
          There is no node with this identifier. <a href={href("")}>Overview</a>,{" "}
          <a href={href("events", "", { node: id })}>its events</a>
        </Empty>
      </>
    );
  }
  const peers = Object.values(now.nodes).filter((one) => one.tier === shown.tier);
  const others = peers.filter((one) => one.id !== id && one.shape === "serves").length;
  return (
    <>
      <p class="crumbs">
        <a href={href("tier", shown.tier)}>{shown.tier}</a>
      </p>
      <div class="row node-head">
        <Heading>{shown.name}</Heading>
        <StateWord node={shown} full />
        <Tags node={shown} />
      </div>
      {!node && <p class="notice">This node is gone. What is shown is the last that was known.</p>}
      {shown.advice && (
        <p>
          <strong>What to do:</strong> <span class="selectable">{shown.advice}</span>
          {shown.shape !== "serves" && (
            <span class="quiet"> (clients are served by {others === 1 ? "1 other" : `${others} others`})</span>
          )}
        </p>
      )}
      <AskOperator />
      {node && <Verbs node={node} />}
      {why.value && <p class="quiet">{why.value}</p>}
      <Facts node={shown} part={shares(peers).get(id) ?? null} />
      <Log key={id} node={id} name={shown.name} />
    </>
  );
}

function useSample(id: string): Sample | null {
  const [sample, setSample] = useState<Sample | null>(null);
  const isLive = live.value;
  useEffect(() => {
    if (!isLive) return;
    const abort = new AbortController();
    const load = () => {
      if (document.hidden) return;
      get<Record<string, Sample>>(`/api/samples?nodes=${id}`, abort.signal)
        .then((found) => setSample(found[id] ?? null))
        .catch(() => {});
    };
    load();
    const timer = setInterval(load, SAMPLE_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [id, isLive]);
  return sample;
}

function Facts({ node, part }: { node: Node; part: number | null }): JSX.Element {
  const sample = useSample(node.id);
  const measured = node.requests > 0 || node.rate > 0;
  const items: [string, JSX.Element | string][] = [
    ["req/s", measured ? rate(node.rate) : NONE],
    ["share", part === null ? NONE : `${Math.round(part * 100)} %`],
    ["p50 / p95", `${latency(node.p50)} / ${latency(node.p95)}`],
    ["5xx", node.errors === null ? NONE : `${(node.errors * 100).toFixed(1)} %`],
    ["CPU (100 % is one core)", `${cpu(sample?.cpu)}${node.cpus > 0 ? ` of ${cpu(node.cpus * 100)}` : ""}`],
    ["memory", `${bytes(sample?.memory)} of ${node.memory_limit > 0 ? bytes(node.memory_limit) : "no limit"}`],
    ["processes", node.pids_limit > 0 ? `at most ${node.pids_limit}` : "no limit"],
    ["restarts", String(node.restarts)],
    [node.shape === "stopped" ? "ended" : "started", node.since === null ? NONE : <Time at={node.since} />],
    ["address", node.address || NONE],
    ["revision", node.stale ? `${node.revision} (stale: roll renews it)` : node.revision || NONE],
    ["image", node.image || NONE],
    ["image's identifier", node.image_id || NONE],
    ["identifier", node.id],
  ];
  return (
    <dl class="facts-list">
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="selectable">{value}</dd>
        </div>
      ))}
      {!node.managed && (
        <div>
          <dt>guest</dt>
          <dd>started by hand; what it says of itself is not checked</dd>
        </div>
      )}
    </dl>
  );
}

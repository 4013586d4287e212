// One tier: its nodes, and its last minutes.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { History, Node } from "../contract";
import { AskOperator, Empty, Heading, Problems } from "../parts/bits";
import { Chart, type ChartMark, type Line, MarkList } from "../parts/chart";
import { useLoaded } from "../parts/load";
import { NodeTable } from "../parts/table";
import { latency, plural, rate } from "../pure/format";
import { byName, filtered, told } from "../pure/rows";
import { eventWords } from "../pure/words";
import { amend, href, route } from "../router";
import { events, state } from "../store";
import { TierButtons, TierNotes } from "./overview";

const MOST_LINES = 12;

export function TierPage(): JSX.Element {
  const name = route.value.name;
  const now = state.value;
  const tier = now?.tiers[name];
  if (now && !tier) {
    return (
      <>
        <Heading>{name}</Heading>
        <Empty>
          There is no tier of this name. <a href={href("")}>Overview</a>
        </Empty>
      </>
    );
  }
  if (!now || !tier) return <Heading>{name}</Heading>;
  const nodes = Object.values(now.nodes).filter((node) => node.tier === name);
  const known = tier.in_rotation === null ? "rotation unknown" : `${tier.in_rotation} in rotation`;
  return (
    <>
      <div class="row between">
        <Heading>{name}</Heading>
        <TierButtons name={name} tier={tier} />
      </div>
      <p>
        {plural(tier.desired, "node")} desired{tier.override ? "*" : ""}, {tier.running} running, {known};{" "}
        {tier.requests > 0 || tier.rate > 0 ? rate(tier.rate) : "–"} req/s, p50 {latency(tier.p50)}, p95{" "}
        {latency(tier.p95)}; path <code>{tier.path}</code>
        {tier.sticky ? ", sticky sessions" : ""}; revision <code>{tier.revision}</code>
      </p>
      <TierNotes name={name} tier={tier} />
      <AskOperator />
      <Nodes nodes={nodes} />
      <Charts name={name} nodes={nodes} />
      <p>
        <a href={href("events", "", { tier: name })}>Events of {name}</a>
      </p>
    </>
  );
}

function Nodes({ nodes }: { nodes: Node[] }): JSX.Element {
  const query = route.value.query;
  const text = query.get("filter") ?? "";
  const trouble = query.get("trouble") === "1";
  const set = (filter: string, only: boolean) => amend({ filter, trouble: only ? "1" : "" });
  const shown = filtered(nodes, text, trouble);
  return (
    <section aria-labelledby="nodes">
      <div class="row between">
        <h2 id="nodes">Nodes</h2>
        <div class="row filters">
          <label>
            filter
            <input
              type="search"
              value={text}
              data-filter
              spellcheck={false}
              onInput={(event) => set(event.currentTarget.value, trouble)}
            />
          </label>
          <label class="check">
            <input type="checkbox" checked={trouble} onChange={(event) => set(text, event.currentTarget.checked)} />
            trouble only
          </label>
        </div>
      </div>
      {nodes.length === 0 && <Empty>This tier has no nodes: it answers 503 by design; + adds one.</Empty>}
      {nodes.length > 0 && shown.length === 0 && (
        <Empty>
          {trouble && text === "" ? "No node has trouble." : "No node fits the filter."}{" "}
          <button type="button" class="small" onClick={() => set("", false)}>
            Show all {nodes.length}
          </button>
        </Empty>
      )}
      {shown.length > 0 && <NodeTable nodes={shown} all={nodes} />}
    </section>
  );
}

function Charts({ name, nodes }: { name: string; nodes: Node[] }): JSX.Element {
  const [span, setSpan] = useState(300);
  const path = `/api/history?tier=${encodeURIComponent(name)}&span=${span}`;
  const { value, problems } = useLoaded<History>(path, span === 300 ? 5 : 30);
  return (
    <section aria-labelledby="charts" class="charts">
      <div class="row between">
        <h2 id="charts">Over time</h2>
        {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for what is sent together */}
        <div class="row" role="group" aria-label="Time shown">
          {[300, 3600].map((one) => (
            <button key={one} type="button" aria-pressed={span === one} onClick={() => setSpan(one)}>
              {one === 300 ? "5 min" : "1 h"}
            </button>
          ))}
        </div>
      </div>
      <Problems lines={problems} />
      {!value && problems.length === 0 && <div class="plot-wait" />}
      {value && <Drawn name={name} history={value} nodes={nodes} />}
    </section>
  );
}

function Drawn({ name, history, nodes }: { name: string; history: History; nodes: Node[] }): JSX.Element {
  const { step, until } = history;
  const tier = { rate: [], p95: [], in_rotation: [], ...history.tier };
  if (tier.rate.length === 0) return <Empty>Nothing was measured yet.</Empty>;
  const times = tier.rate.map((_, index) => until - (tier.rate.length - 1 - index) * step);
  const first = times[0] ?? until;
  const marks: ChartMark[] = events.value
    .filter((event) => event.tier === name && event.at >= first)
    .sort((one, other) => one.at - other.at)
    .map((event) => ({ at: event.at, text: `${event.name} ${eventWords(event)}` }));
  const names = new Map(nodes.map((node) => [node.id, node.name]));
  const known = Object.entries(history.nodes)
    .filter(([id]) => names.has(id))
    .sort(([one], [other]) => byName(names.get(one) ?? "", names.get(other) ?? ""));
  const many = known.length > MOST_LINES;
  const perNode: Line[] = many
    ? [{ label: "all nodes", values: tier.rate }]
    : known.map(([id, series]) => ({ label: names.get(id) ?? id, values: series.rate }));
  if (perNode.length === 0) perNode.push({ label: "all nodes", values: tier.rate });
  const latest = (values: (number | null)[]) => values.findLast((value) => value !== null) ?? null;
  const least = Math.min(...tier.in_rotation.filter((value) => value !== null));
  return (
    <>
      <div class="chart-grid">
        <Chart
          title={many ? "requests/s" : "requests/s per node"}
          told={told(nodes)}
          times={times}
          lines={perNode}
          marks={marks}
          format={rate}
        />
        <Chart
          title="p95"
          told={`Now ${latency(latest(tier.p95))}.`}
          times={times}
          lines={[{ label: "p95", values: tier.p95 }]}
          marks={marks}
          format={latency}
        />
        <Chart
          title="nodes in rotation"
          told={
            Number.isFinite(least) ? `Never below ${least}; ${plural(marks.length, "event")} marked.` : "Not known."
          }
          times={times}
          lines={[{ label: "in rotation", values: tier.in_rotation }]}
          marks={marks}
          format={(value) => (value === null ? "–" : String(Math.round(value * 10) / 10))}
          steps
        />
      </div>
      <MarkList marks={marks} />
    </>
  );
}

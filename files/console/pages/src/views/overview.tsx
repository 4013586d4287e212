// The overview: is anything wrong, what is served, what happened.
import type { JSX } from "preact";
import type { History, Tier } from "../contract";
import { narrow } from "../media";
import { ask } from "../parts/ask";
import { Ago, AskOperator, Change, Empty, Heading, Mark, Problems, Spark, StateWord, Time } from "../parts/bits";
import { useLoaded } from "../parts/load";
import { latency, percent, plural, rate } from "../pure/format";
import { byName } from "../pure/rows";
import { clusterLines, troubles } from "../pure/words";
import { href } from "../router";
import { events, may, state, why } from "../store";
import { EventLine } from "./events";

const NEWEST = 8;
const MOST_NAMED = 4;

export function Overview(): JSX.Element {
  const now = state.value;
  return (
    <>
      <Heading>Overview</Heading>
      <TroubleBanner />
      {now && <Tiers />}
      <Balance />
      <section aria-labelledby="newest">
        <div class="row between">
          <h2 id="newest">Newest events</h2>
          <a href={href("events")}>All events</a>
        </div>
        {events.value.length === 0 && <Empty>No events yet.</Empty>}
        <ul class="lines">
          {events.value.slice(0, NEWEST).map((event) => (
            <EventLine key={event.number ?? `${event.at}${event.node}`} event={event} />
          ))}
        </ul>
      </section>
    </>
  );
}

function TroubleBanner(): JSX.Element | null {
  const now = state.value;
  if (!now) return null;
  const found = troubles(now);
  const lines = clusterLines(now);
  if (found.length === 0 && lines.length === 0) {
    if (Object.keys(now.tiers).length === 0) return null;
    return (
      <p class="banner fine">
        <Mark shape="serves" /> Nothing is wrong: {plural(Object.keys(now.tiers).length, "tier")} as declared or set
        here.
      </p>
    );
  }
  return (
    <section class="banner trouble" aria-label="Trouble">
      <ul class="troubles">
        {lines.map((line) => (
          <li key={line}>
            <Mark shape="trouble" /> <span class="selectable">{line}</span>
          </li>
        ))}
        {found.map((one) => (
          <li key={one.tier}>
            <Mark shape="trouble" />{" "}
            <span>
              <strong>{one.tier}</strong>: {one.text}
            </span>
            {one.nodes.slice(0, MOST_NAMED).map((id) => {
              const node = now.nodes[id];
              return (
                node && (
                  <span key={id} class="culprit">
                    <a href={href("node", id)}>{node.name}</a> <StateWord node={node} />
                  </span>
                )
              );
            })}
            {one.nodes.length > MOST_NAMED && <span class="quiet">and {one.nodes.length - MOST_NAMED} more</span>}
            <a class="button small" href={href("tier", one.tier, { trouble: one.trouble ? "1" : "" })}>
              look<span class="sr"> at {one.tier}</span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Tiers(): JSX.Element {
  const all = Object.entries(state.value?.tiers ?? {}).sort(([one], [other]) => byName(one, other));
  if (all.length === 0 && !state.value?.at) return <Empty>The agent looks at the cluster for the first time…</Empty>;
  if (all.length === 0 && (state.value?.trouble.length ?? 0) > 0) return <Empty>The tiers cannot be read now.</Empty>;
  if (all.length === 0) {
    return (
      <Empty>
        No tiers are declared. Declare one in the inventory and run <code>ansible-playbook site.yml</code>.
      </Empty>
    );
  }
  return (
    <section aria-labelledby="tiers">
      <h2 id="tiers">Tiers</h2>
      {narrow.value ? (
        <ul class="cards">
          {all.map(([name, tier]) => (
            <TierCard key={name} name={name} tier={tier} />
          ))}
        </ul>
      ) : (
        <TierTable all={all} />
      )}
      {may("verify") && (
        <div class="row after-table">
          <Change onClick={() => ask({ verb: "verify", tier: "" })}>Verify all</Change>
          <span class="quiet">Sends requests through the balancer, and counts where they arrive.</span>
        </div>
      )}
      <AskOperator />
    </section>
  );
}

function TierTable({ all }: { all: [string, Tier][] }): JSX.Element {
  return (
    <table class="tiers">
      <thead>
        <tr>
          <th scope="col">tier</th>
          <th scope="col" class="num">
            desired
          </th>
          <th scope="col" class="num">
            running
          </th>
          <th scope="col" class="num">
            in rotation
          </th>
          <th scope="col" class="num">
            guests
          </th>
          <th scope="col" class="num">
            stale
          </th>
          <th scope="col" class="num">
            req/s
          </th>
          <th scope="col">5 minutes</th>
          <th scope="col" class="num">
            p50 / p95
          </th>
          <th scope="col" class="num">
            5xx
          </th>
          {may("scale") && <th scope="col">change</th>}
        </tr>
      </thead>
      <tbody>
        {all.map(([name, tier]) => (
          <TierRow key={name} name={name} tier={tier} />
        ))}
      </tbody>
    </table>
  );
}

function useRates(name: string): (number | null)[] {
  return useLoaded<History>(`/api/history?tier=${encodeURIComponent(name)}&span=300`, 15).value?.tier.rate ?? [];
}

function Rotation({ tier }: { tier: Tier }): JSX.Element {
  if (tier.in_rotation === null) return <span title="The balancer's API does not answer">unknown</span>;
  const few = tier.in_rotation < tier.desired;
  return (
    <span class={few ? "few" : ""}>
      {few && <Mark shape="trouble" />} {tier.in_rotation}
    </span>
  );
}

function TierRow({ name, tier }: { name: string; tier: Tier }): JSX.Element {
  const rates = useRates(name);
  return (
    <>
      <tr data-row-box>
        <th scope="row">
          <a href={href("tier", name)} data-row>
            {name}
          </a>
        </th>
        <td class="num">
          {tier.desired}
          {tier.override && <abbr title="Set here, not declared: see below"> *</abbr>}
        </td>
        <td class="num">{tier.running}</td>
        <td class="num">
          <Rotation tier={tier} />
        </td>
        <td class="num">{tier.guests}</td>
        <td class="num">{tier.stale}</td>
        <td class="num">{tier.requests > 0 || tier.rate > 0 ? rate(tier.rate) : "–"}</td>
        <td>
          <Spark values={rates} />
        </td>
        <td class="num">
          {latency(tier.p50)} / {latency(tier.p95)}
        </td>
        <td class="num">{percent(tier.errors, 1)}</td>
        {may("scale") && (
          <td>
            <TierButtons name={name} tier={tier} />
          </td>
        )}
      </tr>
      <TierNotes name={name} tier={tier} row />
    </>
  );
}

/** Scale, roll and verify a tier. */
export function TierButtons({ name, tier }: { name: string; tier: Tier }): JSX.Element | null {
  if (!may("scale")) return null;
  return (
    <span class="tier-buttons">
      <span class="stepper">
        <Change
          label={`One node fewer in ${name}`}
          onClick={() => ask({ verb: "scale", tier: name, count: Math.max(0, tier.desired - 1) })}
          off={tier.desired === 0 ? "There is none to take away." : ""}
        >
          −
        </Change>
        <span class="num">{tier.desired}</span>
        <Change
          label={`One node more in ${name}`}
          onClick={() => ask({ verb: "scale", tier: name, count: tier.desired + 1 })}
        >
          +
        </Change>
      </span>
      {may("roll") && (
        <Change label={`Roll ${name}`} onClick={() => ask({ verb: "roll", tier: name })}>
          Roll
        </Change>
      )}
      {may("verify") && (
        <Change label={`Verify ${name}`} onClick={() => ask({ verb: "verify", tier: name })}>
          Verify
        </Change>
      )}
    </span>
  );
}

/** What else there is to know of a tier: an override, drift, servers that no node is. */
export function TierNotes({
  name,
  tier,
  row = false,
}: {
  name: string;
  tier: Tier;
  row?: boolean;
}): JSX.Element | null {
  const drifts = tier.drift.length > 0;
  const unknown = tier.unknown_servers.length > 0;
  if (!tier.override && !drifts && !unknown && tier.desired > 0) return null;
  const notes = (
    <div class="notes">
      {tier.override && (
        <p>
          * {tier.override.nodes} set here by <strong>{tier.override.by}</strong> at <Time at={tier.override.at} />,
          declared {tier.override.declared}: <code>site.yml</code> goes back to {tier.override.declared}.
        </p>
      )}
      {tier.drift.map((line) => (
        <p key={line}>
          <Mark shape="trouble" /> <span class="selectable">{line}</span>
          {typeof tier.drift_since === "number" && (
            <span class="quiet">
              , for <Ago at={tier.drift_since} />
            </span>
          )}
        </p>
      ))}
      {tier.unknown_servers.map((line) => (
        <p key={line}>
          <Mark shape="trouble" /> unknown server <span class="selectable">{line}</span>: see which container has this
          tier's labels
        </p>
      ))}
      {tier.desired === 0 && (
        <p>
          <Mark shape="stopped" /> 0 nodes: it answers 503 by design; + adds one.
        </p>
      )}
      {(tier.override || drifts) && may("settle") && (
        <Change class="small" label={`Settle ${name}`} onClick={() => ask({ verb: "settle", tier: name })}>
          Settle
        </Change>
      )}
    </div>
  );
  if (!row) return notes;
  return (
    <tr class="notes-row">
      <td colSpan={may("scale") ? 11 : 10}>{notes}</td>
    </tr>
  );
}

function TierCard({ name, tier }: { name: string; tier: Tier }): JSX.Element {
  const rates = useRates(name);
  return (
    <li class="card" data-row-box>
      <div class="row between">
        <a class="card-name" href={href("tier", name)} data-row>
          {name}
        </a>
        <Spark values={rates} />
      </div>
      <p>
        <Rotation tier={tier} /> in rotation, {tier.running} running, {tier.desired}
        {tier.override ? "*" : ""} desired
        {tier.guests > 0 && `, ${plural(tier.guests, "guest")}`}
        {tier.stale > 0 && `, ${tier.stale} stale`}
      </p>
      <p class="quiet">
        {tier.requests > 0 || tier.rate > 0 ? rate(tier.rate) : "–"} req/s, p95 {latency(tier.p95)}, 5xx{" "}
        {percent(tier.errors, 1)}
      </p>
      <TierNotes name={name} tier={tier} />
      <TierButtons name={name} tier={tier} />
    </li>
  );
}

function Balance(): JSX.Element | null {
  const now = state.value;
  if (!now) return null;
  const { balancer } = now;
  return (
    <section class="facts" aria-label="Balancer and lock">
      <span>
        <Mark shape={balancer.reachable ? "serves" : "trouble"} /> balancer {balancer.version || "of unknown version"}
        {balancer.slot ? `, ${balancer.slot}` : ""}
        {typeof balancer.reloads === "number" ? `, reloads ${balancer.reloads}` : ""}
        {!balancer.reachable && `: ${balancer.reason || "its API does not answer"}; rotation unknown, changes are off`}
      </span>
      <span>{now.lock ? `lock held: ${now.lock}` : "lock free"}</span>
      {now.sampled && <span class="quiet">figures are of a sample of the requests</span>}
      {why.value && !balancer.reachable ? <Problems lines={[why.value]} /> : null}
    </section>
  );
}

// What happened to the cluster's containers, with its cause.
import type { JSX } from "preact";
import type { Action, AuditEntry, Event } from "../contract";
import { Empty, Heading, NodeLink, Problems, Time } from "../parts/bits";
import { usePages } from "../parts/pages";
import { moment, plural } from "../pure/format";
import { eventKey, isEnough, later } from "../pure/pages";
import { byName } from "../pure/rows";
import { actionTitle, EVENT_KINDS, eventWords } from "../pure/words";
import { amend, href, route } from "../router";
import { actions, caughtUp, clock, events as fresh, me, nodeName, state } from "../store";

const ROWS_WANTED = 30;
// Around a moment: what happened in these seconds before and after it.
const AROUND_SECONDS = 120;

export function EventLine({ event, around = false }: { event: Event; around?: boolean }): JSX.Element {
  return (
    <li data-row-box>
      <Time at={event.at} />
      <span class="actor">
        {event.node && (event.role ?? "node") === "node" ? (
          <NodeLink id={event.node} name={event.name} />
        ) : (
          event.name || event.role
        )}
      </span>
      <span class="what">{eventWords(event)}</span>
      {around && (
        <a class="quiet" data-row href={href("events", "", { around: String(event.at) })}>
          around this time
        </a>
      )}
    </li>
  );
}

function query(): Record<string, string> {
  const asked = route.value.query;
  return Object.fromEntries(["tier", "node", "kind", "person", "around"].map((name) => [name, asked.get(name) ?? ""]));
}

interface Shown {
  at: number;
  key: string;
  line: JSX.Element;
}

export function Events(): JSX.Element {
  const wanted = query();
  const search = ["tier", "node", "kind"]
    .filter((name) => wanted[name])
    .map((name) => `${name}=${encodeURIComponent(wanted[name] ?? "")}&`)
    .join("");
  const around = Number(wanted.around) || 0;
  const near = (at: number) => !around || Math.abs(at - around) <= AROUND_SECONDS;
  const isWanted = (event: Event) => near(event.at) && (!wanted.person || event.actor === wanted.person);
  const from = around > 0 ? around - AROUND_SECONDS : 0;
  const { list, whole, loading, more, problems } = usePages<Event>(
    `/api/events?${search}`,
    (all) => isEnough(all, from, all.filter(isWanted).length, ROWS_WANTED),
    caughtUp.value,
  );
  const done = whole || (from > 0 && isEnough(list, from, 0, 0));
  const told = later(list, fresh.value).filter((event) => fits(event, wanted));
  const rows: Shown[] = [...told, ...list].filter(isWanted).map((event) => ({
    at: event.at,
    key: eventKey(event),
    line: <EventLine key={eventKey(event)} event={event} around />,
  }));
  if (!wanted.kind) rows.push(...acts(wanted, near));
  rows.sort((one, other) => other.at - one.at);
  return (
    <>
      <Heading>Events</Heading>
      <Filters wanted={wanted} />
      {around > 0 && (
        <p class="notice">
          What changed within {AROUND_SECONDS / 60} minutes of {moment(around, clock.value)}.{" "}
          <button type="button" class="small" onClick={() => amend({ ...wanted, around: "" })}>
            Show all
          </button>
        </p>
      )}
      <Problems lines={problems} />
      {rows.length === 0 && problems.length === 0 && (
        <Empty>
          {done
            ? "No events that fit."
            : loading
              ? "Looking further back…"
              : `None fits among the newest ${plural(list.length, "event")}; older ones may.`}
        </Empty>
      )}
      <ul class="lines">{rows.map((row) => row.line)}</ul>
      {!done && list.length > 0 && (
        <button type="button" onClick={more} disabled={loading}>
          Older events
        </button>
      )}
    </>
  );
}

function fits(event: Event, wanted: Record<string, string>): boolean {
  return ["tier", "node", "kind"].every(
    (name) => !wanted[name] || event[name as "tier" | "node" | "kind"] === wanted[name],
  );
}

/** What people did, among what happened. */
function acts(wanted: Record<string, string>, near: (at: number) => boolean): Shown[] {
  return Object.values(actions.value)
    .filter((action) => near(action.at))
    .filter((action) => !wanted.tier || action.tier === wanted.tier)
    .filter((action) => !wanted.node || action.node === wanted.node)
    .filter((action) => !wanted.person || action.actor === wanted.person)
    .map((action: Action) => ({
      at: action.at,
      key: action.id,
      line: (
        <li key={action.id} class="act" data-row-box>
          <Time at={action.at} />
          <span class="actor">{action.actor}</span>
          <span class="what">
            <a href={href("action", action.id)} data-row>
              {actionTitle(action, nodeName(action.node))}
            </a>
            , {action.state}
          </span>
        </li>
      ),
    }));
}

function Filters({ wanted }: { wanted: Record<string, string> }): JSX.Element {
  const now = state.value;
  const tiers = Object.keys(now?.tiers ?? {}).sort(byName);
  const nodes = Object.values(now?.nodes ?? {})
    .filter((node) => !wanted.tier || node.tier === wanted.tier)
    .sort((one, other) => byName(one.name, other.name));
  const people = [...new Set(Object.values(actions.value).map((action) => action.actor))].sort(byName);
  const set = (name: string) => (value: string) => amend({ ...wanted, [name]: value });
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <Choice name="tier" value={wanted.tier} options={tiers.map((one) => [one, one])} set={set("tier")} filter />
      <Choice name="node" value={wanted.node} options={nodes.map((one) => [one.id, one.name])} set={set("node")} />
      <Choice
        name="kind"
        value={wanted.kind}
        options={EVENT_KINDS.map((kind) => [kind, eventWords({ kind } as Event)])}
        set={set("kind")}
      />
      <Choice name="person" value={wanted.person} options={people.map((one) => [one, one])} set={set("person")} />
    </form>
  );
}

export function Choice(props: {
  name: string;
  value: string | undefined;
  options: string[][];
  set: (value: string) => void;
  filter?: boolean;
  /** The word for no choice. */
  first?: string;
}): JSX.Element {
  const value = props.value ?? "";
  const known = value === "" || props.options.some(([key]) => key === value);
  return (
    <label>
      {props.name}
      <select
        value={value}
        onChange={(event) => props.set(event.currentTarget.value)}
        {...(props.filter ? { "data-filter": true } : {})}
      >
        <option value="">{props.first ?? "all"}</option>
        {!known && <option value={value}>{value.slice(0, 12)}</option>}
        {props.options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What people asked for, and what became of it. */
export function Audit(): JSX.Element {
  const asked = route.value.query;
  const wanted = Object.fromEntries(["tier", "actor", "verb", "source"].map((name) => [name, asked.get(name) ?? ""]));
  const search = Object.entries(wanted)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}&`)
    .join("");
  const ends = Object.values(actions.value).filter((action) => action.state !== "running").length;
  const { list, whole, loading, more, problems } = usePages<AuditEntry>(
    `/api/audit?${search}`,
    (all) => all.length > 0,
    `${ends} ${caughtUp.value}`,
  );
  const set = (name: string) => (value: string) => amend({ ...wanted, [name]: value });
  const actors = [...new Set(list.map((entry) => String(entry.actor ?? "")).filter(Boolean))].sort(byName);
  const verbs = [...new Set(list.map((entry) => String(entry.verb ?? "")).filter(Boolean))].sort(byName);
  const tiers = Object.keys(state.value?.tiers ?? {}).sort(byName);
  return (
    <>
      <Heading>Audit</Heading>
      <p class="quiet">What people asked for, before and after it was done.</p>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          name="person"
          value={wanted.actor}
          options={actors.map((one) => [one, one])}
          set={set("actor")}
          filter
        />
        {me.value?.role === "operator" && (
          <Choice
            name="of"
            value={wanted.source}
            options={[["access", "logins"]]}
            set={set("source")}
            first="changes"
          />
        )}
        <Choice name="verb" value={wanted.verb} options={verbs.map((one) => [one, one])} set={set("verb")} />
        <Choice name="tier" value={wanted.tier} options={tiers.map((one) => [one, one])} set={set("tier")} />
      </form>
      <Problems lines={problems} />
      {list.length === 0 && whole && problems.length === 0 && <Empty>Nothing was asked for that fits.</Empty>}
      <ul class="lines">
        {list.map((entry) => (
          <AuditLine key={`${entry.kind}${entry.number}${entry.at}`} entry={entry} />
        ))}
      </ul>
      {!whole && list.length > 0 && (
        <button type="button" onClick={more} disabled={loading}>
          Older entries
        </button>
      )}
    </>
  );
}

function AuditLine({ entry }: { entry: AuditEntry }): JSX.Element {
  const what = entry.verb
    ? actionTitle(
        {
          verb: entry.verb as Action["verb"],
          tier: entry.tier ?? "",
          node: entry.node ?? "",
          count: entry.count ?? null,
        },
        nodeName(entry.node ?? ""),
      )
    : entry.kind;
  const more =
    entry.kind === "intent"
      ? `asked for: ${(entry.lines ?? []).join("; ") || "nothing to do"}`
      : entry.kind === "result"
        ? `${entry.state ?? ""}${entry.result && entry.result !== entry.state ? `: ${entry.result}` : ""}`
        : entry.verb
          ? entry.kind
          : "";
  return (
    <li data-row-box>
      <Time at={entry.at} />
      <span class="actor">{entry.actor ?? ""}</span>
      <span class="what">
        {entry.action ? (
          <a href={href("action", entry.action)} data-row>
            {what}
          </a>
        ) : (
          what
        )}
        {more && <span class="quiet selectable">, {more}</span>}
      </span>
    </li>
  );
}

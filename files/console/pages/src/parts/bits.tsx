// Small pieces of the pages.
import type { ComponentChildren, JSX } from "preact";
import type { Node, Shape } from "../contract";
import { duration, moment, percent, utc } from "../pure/format";
import { SHAPES } from "../pure/words";
import { href } from "../router";
import { clock, me, since, state, why } from "../store";

export function Time({ at }: { at: number }): JSX.Element {
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)}>
      {moment(at, clock.value)}
    </time>
  );
}

/** How long ago; the moment itself is in the title. */
export function Ago({ at, prefix = "" }: { at: number | null; prefix?: string }): JSX.Element | null {
  if (at === null) return null;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)}>
      {prefix}
      {duration(clock.value - at)}
    </time>
  );
}

export function Mark({ shape }: { shape: Shape }): JSX.Element {
  return (
    <span class={`mark mark-${shape}`} aria-hidden="true">
      {SHAPES[shape] ?? "?"}
    </span>
  );
}

/** Since when its state is what it is: of the server, or as seen here; null if that is not known. */
export function sinceOf(node: Node): number | null {
  if (typeof node.changed === "number") return node.changed;
  if (node.shape === "stopped") return node.since;
  return since.value.get(node.id)?.at ?? null;
}

export function StateWord({ node, full = false }: { node: Node; full?: boolean }): JSX.Element {
  const at = node.shape === "serves" ? null : sinceOf(node);
  return (
    <span class={`state state-${node.shape}`}>
      <Mark shape={node.shape} />
      <span class="word">
        {node.word}
        {full && node.reason ? `: ${node.reason}` : ""}
      </span>
      {at !== null && (
        <span class="quiet">
          , <Ago at={at} />
        </span>
      )}
    </span>
  );
}

export function Tags({ node }: { node: Node }): JSX.Element {
  return (
    <>
      {!node.managed && <span class="tag">guest</span>}
      {node.stale && (
        <span class="tag" title="From an earlier revision: Roll renews it.">
          stale
        </span>
      )}
    </>
  );
}

export function NodeLink({ id, name = "" }: { id: string; name?: string }): JSX.Element {
  const node = state.value?.nodes[id];
  const text = node?.name ?? (name || id.slice(0, 12));
  return node ? <a href={href("node", id)}>{text}</a> : <span>{text}</span>;
}

export function Share({ part }: { part: number | null }): JSX.Element {
  return (
    <span class="share">
      <span class="share-bar" aria-hidden="true">
        <span class="share-part" style={{ width: `${Math.round((part ?? 0) * 100)}%` }} />
      </span>
      <span class="num">{percent(part)}</span>
    </span>
  );
}

/** The last minutes as one line; what it says is in the figure beside it. */
export function Spark({ values }: { values: readonly (number | null)[] }): JSX.Element {
  const width = 72;
  const height = 18;
  const most = Math.max(1, ...values.map((value) => value ?? 0));
  let path = "";
  let down = false;
  values.forEach((value, index) => {
    if (value === null) {
      down = false;
      return;
    }
    const x = values.length > 1 ? (index / (values.length - 1)) * width : 0;
    const y = height - 1 - (value / most) * (height - 2);
    path += `${down ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    down = true;
  });
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      <path d={path} />
    </svg>
  );
}

/** Lines of the API, word by word, to be selected and copied. */
export function Problems({ lines }: { lines: readonly string[] }): JSX.Element | null {
  if (lines.length === 0) return null;
  return (
    <div class="problems" role="alert">
      {lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

/** A button for a change: off, with the reason, while nothing can be changed. */
export function Change(props: {
  onClick: () => void;
  children: ComponentChildren;
  label?: string;
  class?: string;
  off?: string;
}): JSX.Element {
  const reason = why.value || props.off || "";
  return (
    <button
      type="button"
      class={props.class ?? ""}
      onClick={props.onClick}
      disabled={reason !== ""}
      title={reason || undefined}
      aria-label={props.label}
    >
      {props.children}
    </button>
  );
}

/** For viewers, in the place of buttons. */
export function AskOperator(): JSX.Element | null {
  const reader = me.value;
  if (!reader || reader.verbs.length > 0) return null;
  return <p class="quiet ask-operator">Changes are made by operators. Ask an operator.</p>;
}

export function Heading({ children }: { children: ComponentChildren }): JSX.Element {
  return <h1 tabIndex={-1}>{children}</h1>;
}

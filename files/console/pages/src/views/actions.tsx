// What people do with the cluster: progress for each node and step, and the end.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { linesOf, send } from "../api";
import type { Action, Shape, Verdict } from "../contract";
import { Empty, Heading, Mark, Problems, Time } from "../parts/bits";
import { useLoaded } from "../parts/load";
import { duration, plural } from "../pure/format";
import { byName } from "../pure/rows";
import { actionTitle, stepWord } from "../pure/words";
import { href, route } from "../router";
import { actions, begun, clock, may, nodeName, running } from "../store";

function shapeOf(action: Action): "serves" | "moves" | "trouble" | "stopped" {
  if (action.state === "running") return "moves";
  if (action.state === "done") return action.verdicts?.some((one) => one.ok === false) ? "trouble" : "serves";
  return action.state === "halted" ? "stopped" : "trouble";
}

function title(action: Action): string {
  return actionTitle(action, nodeName(action.node));
}

function seconds(action: Action): string {
  if (action.seconds !== null) return action.seconds < 60 ? `${action.seconds} s` : duration(action.seconds);
  return duration(clock.value - action.at);
}

/** The running action, on every page. */
export function RunningStrip(): JSX.Element | null {
  const action = running.value;
  if (!action) {
    const next = begun.value;
    if (!next) return null;
    return (
      <div class="strip" role="status">
        <Mark shape="moves" /> <strong>{next.title}</strong> begins… <a href={href("action", next.id)}>details</a>
      </div>
    );
  }
  const last = action.steps.at(-1);
  return (
    <section class="strip" aria-label="Running action">
      <span>
        <Mark shape="moves" /> <strong>{title(action)}</strong> · {action.actor} · {seconds(action)}
      </span>
      <span class="strip-step">
        {action.halted_by
          ? `halts after this wave, asked by ${action.halted_by}`
          : last
            ? `${last.node || action.tier} ${stepWord(last.step)}`
            : (action.verdicts?.at(-1)?.check ?? "begins…")}
      </span>
      <span class="row">
        <Halt action={action} />
        <a href={href("action", action.id)}>details</a>
      </span>
    </section>
  );
}

function Halt({ action }: { action: Action }): JSX.Element | null {
  const [problems, setProblems] = useState<string[]>([]);
  const inWaves = action.verb === "roll" || action.verb === "scale" || action.verb === "settle";
  if (action.state !== "running" || !inWaves || !may(action.verb)) return null;
  const halt = async () => {
    try {
      setProblems([]);
      await send("POST", `/api/actions/${action.id}/halt`, {});
    } catch (error) {
      setProblems(linesOf(error));
    }
  };
  return (
    <>
      <button type="button" class="danger" onClick={() => void halt()} disabled={action.halted_by !== ""}>
        {action.halted_by ? "Halts…" : "Halt after this wave"}
      </button>
      <Problems lines={problems} />
    </>
  );
}

export function Actions(): JSX.Element {
  const list = Object.values(actions.value).sort((one, other) => other.at - one.at);
  return (
    <>
      <Heading>Actions</Heading>
      {list.length === 0 && (
        <Empty>Nothing was done here since the console started. The audit knows what was before.</Empty>
      )}
      <ul class="lines">
        {list.map((action) => (
          <li key={action.id} data-row-box>
            <Time at={action.at} />
            <span class="actor">{action.actor}</span>
            <span class="what">
              <Mark shape={shapeOf(action)} />{" "}
              <a href={href("action", action.id)} data-row>
                {title(action)}
              </a>
              <span class="quiet">
                , {action.state}, {seconds(action)}
                {action.result && action.result !== action.state ? `: ${action.result}` : ""}
              </span>
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

export function ActionPage(): JSX.Element {
  const id = route.value.name;
  const known = actions.value[id];
  const { value, problems } = useLoaded<Action>(known ? "" : `/api/actions/${encodeURIComponent(id)}`);
  const action = known ?? value;
  if (!action) {
    return (
      <>
        <Heading>Action</Heading>
        <Problems lines={problems} />
        {problems.length > 0 && (
          <p>
            The <a href={href("audit")}>audit</a> keeps what older actions did.
          </p>
        )}
      </>
    );
  }
  return (
    <>
      <p class="crumbs">
        <a href={href("actions")}>Actions</a>
      </p>
      <div class="row between">
        <Heading>{title(action)}</Heading>
        <span class="row">
          <Halt action={action} />
          <CopyLink />
        </span>
      </div>
      <p role="status">
        <Mark shape={shapeOf(action)} /> <strong>{action.state}</strong> · {action.actor} · <Time at={action.at} /> ·{" "}
        {seconds(action)}
        {action.halted_by && ` · halted by ${action.halted_by}`}
      </p>
      {action.result && action.result !== action.state && <p class="result selectable">{action.result}</p>}
      {action.warnings.map((line) => (
        <p key={line} class="warning selectable">
          {line}
        </p>
      ))}
      {action.verb === "verify" && <Verdicts all={action.verdicts ?? []} runs={action.state === "running"} />}
      <Steps action={action} />
      <section aria-labelledby="agreed">
        <h2 id="agreed">What was agreed to</h2>
        {action.lines.length === 0 && <Empty>Nothing was to be done.</Empty>}
        <ul class="plan-lines">
          {action.lines.map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </section>
    </>
  );
}

function CopyLink(): JSX.Element {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      setDone(true);
    } catch {
      prompt("The address of this action:", location.href);
    }
  };
  return (
    <button type="button" onClick={() => void copy()}>
      {done ? "Link copied" : "Copy link"}
    </button>
  );
}

/** One row for each node, with the times of its steps. */
function Steps({ action }: { action: Action }): JSX.Element | null {
  if (action.steps.length === 0) {
    if (action.verb === "verify") return null;
    return <Empty>{action.state === "running" ? "No step yet." : "No step was reached."}</Empty>;
  }
  const nodes = new Map<string, { text: string; at: number }[]>();
  for (const step of action.steps) {
    const name = step.node || action.tier;
    nodes.set(name, [...(nodes.get(name) ?? []), { text: stepWord(step.step), at: step.at }]);
  }
  return (
    <section aria-labelledby="steps">
      <h2 id="steps">Steps</h2>
      <table class="steps">
        <thead>
          <tr>
            <th scope="col">node</th>
            <th scope="col">steps, with seconds since the start</th>
          </tr>
        </thead>
        <tbody>
          {[...nodes].map(([name, steps]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>
                {steps.map((step) => (
                  <span key={`${step.text}${step.at}`} class="step">
                    {step.text} <span class="num quiet">{step.at.toFixed(1)} s</span>
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function verdictShape(verdict: Verdict, runs: boolean): Shape {
  if (verdict.ok !== null) return verdict.ok ? "serves" : "trouble";
  return runs ? "moves" : "stopped";
}

function verdictWord(verdict: Verdict, runs: boolean): string {
  if (verdict.ok !== null) return verdict.ok ? "passed" : "failed";
  return runs ? "runs" : "not measured";
}

function Verdicts({ all, runs }: { all: Verdict[]; runs: boolean }): JSX.Element {
  return (
    <section aria-labelledby="verdicts">
      <h2 id="verdicts">Checks</h2>
      {all.length === 0 && <Empty>{runs ? "The first check begins." : "No check was made."}</Empty>}
      {all.map((verdict, index) => (
        <div key={verdict.check} class="verdict">
          <h3>
            <Mark shape={verdictShape(verdict, runs && index === all.length - 1)} /> {verdict.check}
            <span class="quiet"> {verdictWord(verdict, runs && index === all.length - 1)}</span>
          </h3>
          <p class="selectable">{verdict.line}</p>
          <Counts counts={verdict.counts ?? {}} />
        </div>
      ))}
    </section>
  );
}

function Counts({ counts }: { counts: Record<string, number> }): JSX.Element | null {
  const all = Object.entries(counts).sort(([one], [other]) => byName(one, other));
  if (all.length === 0) return null;
  const most = Math.max(1, ...all.map(([, count]) => count));
  return (
    <ul class="bars">
      {all.map(([name, count]) => (
        <li key={name}>
          <span class="bar-name">{name}</span>
          <span class="bar" aria-hidden="true">
            <span class="bar-part" style={{ width: `${(count / most) * 100}%` }} />
          </span>
          <span class="num">{plural(count, "request")}</span>
        </li>
      ))}
    </ul>
  );
}

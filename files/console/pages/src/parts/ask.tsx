// The preview of a change: what the plan says, word by word, and only that is done.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { linesOf, Refused, send } from "../api";
import type { Plan, Wish } from "../contract";
import { ClickKeys, newPlanLine } from "../pure/click";
import { actionTitle, verbWord } from "../pure/words";
import { go } from "../router";
import { asked, awaitAction, nodeName, state, why } from "../store";
import { Problems } from "./bits";
import { Modal } from "./modal";

const MOST_NODES = 1000;

export function ask(wish: Wish): void {
  asked.value = wish;
}

export function Ask(): JSX.Element | null {
  const wish = asked.value;
  if (!wish) return null;
  return <Preview key={`${wish.verb}-${wish.tier ?? ""}-${wish.node ?? ""}`} wish={wish} />;
}

function title(wish: Wish, name: string): string {
  if (wish.verb === "scale") return `Scale ${wish.tier}`;
  if (wish.node) return `${verbWord(wish.verb)} ${name}`;
  return `${verbWord(wish.verb)} ${wish.tier || "all tiers"}`;
}

function usePlan(wish: Wish): {
  plan: Plan | null;
  problems: string[];
  setPlan: (plan: Plan | null) => void;
  setProblems: (lines: string[]) => void;
  again: () => void;
} {
  const [plan, setPlan] = useState<Plan | null>(null);
  const [problems, setProblems] = useState<string[]>([]);
  const [turn, setTurn] = useState(0);
  const wanted = JSON.stringify(wish);
  useEffect(() => {
    let over = false;
    setPlan(null);
    // A person who clicks + twice wants the plan of the second click.
    const timer = setTimeout(async () => {
      try {
        const found = await send<Plan>("POST", "/api/plans", JSON.parse(wanted));
        if (over) return;
        setProblems([]);
        setPlan(found);
      } catch (error) {
        if (!over) setProblems(linesOf(error));
      }
    }, 60);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [wanted, turn]);
  return { plan, problems, setPlan, setProblems, again: () => setTurn((old) => old + 1) };
}

function Preview({ wish }: { wish: Wish }): JSX.Element {
  // A node that is gone meanwhile keeps its name here.
  const name = useRef(wish.node ? nodeName(wish.node) : "").current;
  const [count, setCount] = useState(wish.count ?? 0);
  const whole = wish.verb === "scale" ? { ...wish, count } : wish;
  const { plan, problems, setPlan, setProblems, again } = usePlan(whole);
  const [typed, setTyped] = useState("");
  const [busy, setBusy] = useState(false);
  const [holder, setHolder] = useState("");
  const [moved, setMoved] = useState("");
  const keys = useRef(new ClickKeys()).current;
  const close = () => {
    asked.value = null;
  };

  async function doIt(): Promise<void> {
    if (!plan) return;
    setBusy(true);
    setProblems([]);
    try {
      const body = plan.type_name ? { plan: plan.plan, typed } : { plan: plan.plan };
      const answer = await send<{ action: string }>("POST", "/api/actions", body, {
        "Idempotency-Key": keys.of(plan.plan),
      });
      close();
      if (!answer) return;
      const begins = { verb: wish.verb, tier: plan.tier, node: plan.node, count: whole.count ?? null };
      awaitAction(answer.action, actionTitle(begins, name));
      if (wish.verb === "verify") go("action", answer.action);
    } catch (error) {
      setBusy(false);
      setProblems(linesOf(error));
      if (!(error instanceof Refused)) return;
      keys.refused(error.status);
      setHolder(error.holder);
      const line = newPlanLine(error.status, error.plan !== null);
      if (!line) return;
      setMoved(line);
      if (error.plan) return setPlan(error.plan);
      setProblems([]);
      again();
    }
  }

  const missing = plan?.type_name ? typed !== plan.type_name : false;
  const nothing = plan !== null && plan.actions.length === 0;
  return (
    <Modal title={title(wish, name)} onClose={close} class="preview">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void doIt();
        }}
      >
        {wish.verb === "scale" && <Count wish={wish} count={count} setCount={setCount} />}
        {moved && <p class="notice">{moved}</p>}
        <div class="plan" aria-live="polite" aria-busy={plan === null && problems.length === 0}>
          {plan === null && problems.length === 0 && <p class="quiet">Asking what would be done…</p>}
          {nothing && <p>Nothing to do: it is as it should be.</p>}
          {plan && plan.actions.length > 0 && (
            <ul class="plan-lines">
              {plan.actions.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          )}
          {plan?.warnings.map((line) => (
            <p key={line} class="warning">
              {line}
            </p>
          ))}
        </div>
        {plan?.type_name && (
          <label>
            No node of this tier would serve. Type <strong>{plan.type_name}</strong> to go on
            <input
              name="typed"
              value={typed}
              onInput={(event) => setTyped(event.currentTarget.value)}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
            />
          </label>
        )}
        <Problems lines={problems} />
        {holder && <p class="notice">The lock is held: {holder}</p>}
        {state.value?.lock && !holder && <p class="notice">The lock is held now: {state.value.lock}</p>}
        {why.value && <p class="notice">{why.value}</p>}
        <div class="row end">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class={wish.verb === "kill" || wish.verb === "remove" || plan?.type_name ? "primary danger" : "primary"}
            disabled={!plan || nothing || busy || missing || why.value !== ""}
          >
            {busy ? "Asking…" : "Do it"}
          </button>
        </div>
      </form>
    </Modal>
  );
}

function Count(props: { wish: Wish; count: number; setCount: (count: number) => void }): JSX.Element {
  const { count, setCount } = props;
  const now = state.value?.tiers[props.wish.tier ?? ""]?.desired ?? 0;
  const bounded = (value: number) => Math.max(0, Math.min(MOST_NODES, Math.round(value) || 0));
  return (
    <div class="count">
      <span class="quiet">
        {now} → <span class="sr">new number of nodes: {count}</span>
      </span>
      <button
        type="button"
        onClick={() => setCount(bounded(count - 1))}
        aria-label="One node fewer"
        disabled={count <= 0}
      >
        −
      </button>
      <input
        type="number"
        min={0}
        max={MOST_NODES}
        step={1}
        value={count}
        aria-label="Number of nodes"
        onInput={(event) => setCount(bounded(event.currentTarget.valueAsNumber))}
      />
      <button type="button" onClick={() => setCount(bounded(count + 1))} aria-label="One node more">
        +
      </button>
    </div>
  );
}

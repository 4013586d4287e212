// What can be done with a node.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Node, Verb } from "../contract";
import { verbWord } from "../pure/words";
import { href } from "../router";
import { may, state, why } from "../store";
import { ask } from "./ask";
import { Change, StateWord } from "./bits";
import { Modal } from "./modal";

const ALL: Verb[] = ["drain", "undrain", "restart", "stop", "start", "remove", "kill"];

/** Why a verb makes no sense for a node now; empty if it does. The agent decides in the end. */
export function pointless(verb: Verb, node: Node): string {
  const runs = node.shape !== "stopped" && !node.word.startsWith("ended") && node.word !== "out of memory";
  if (verb === "start") return runs ? "It runs already." : "";
  if (verb === "undrain") return node.word === "draining" ? "" : "It does not drain.";
  if (verb === "drain" && node.word === "draining") return "It drains already.";
  if ((verb === "drain" || verb === "stop" || verb === "kill") && !runs) return "It does not run.";
  return "";
}

/** The verb that is likely wanted next. */
export function nextVerb(node: Node): Verb {
  if (node.word === "draining") return "undrain";
  if (pointless("start", node) === "") return "start";
  return node.shape === "trouble" ? "restart" : "drain";
}

export function VerbButton({
  verb,
  node,
  short = false,
}: {
  verb: Verb;
  node: Node;
  short?: boolean;
}): JSX.Element | null {
  if (!may(verb)) return null;
  const text = verb === "kill" ? "Kill…" : verbWord(verb);
  return (
    <Change
      onClick={() => {
        opened.value = "";
        ask({ verb, node: node.id });
      }}
      off={pointless(verb, node)}
      {...(short ? { label: `${verbWord(verb)} ${node.name}` } : {})}
      class={verb === "kill" || verb === "remove" ? "danger" : ""}
    >
      {text}
    </Change>
  );
}

export function Verbs({ node }: { node: Node }): JSX.Element | null {
  const verbs = ALL.filter((verb) => may(verb) && !(verb === "undrain" && node.word !== "draining"));
  const shown = verbs.filter((verb) => !(verb === "drain" && node.word === "draining"));
  if (shown.length === 0) return null;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for what is sent together
    <div class="verbs" role="group" aria-label={`What can be done with ${node.name}`}>
      {shown.map((verb) => (
        <VerbButton key={verb} verb={verb} node={node} />
      ))}
    </div>
  );
}

/** The node whose sheet is open; empty for none. */
export const opened = signal("");

export function MenuButton({ node }: { node: Node }): JSX.Element {
  return (
    <button
      type="button"
      class="menu-button"
      data-menu
      aria-haspopup="dialog"
      aria-label={`More about ${node.name}`}
      onClick={() => {
        opened.value = node.id;
      }}
    >
      ⋯
    </button>
  );
}

export function Sheet(): JSX.Element | null {
  const node = state.value?.nodes[opened.value];
  if (!opened.value || !node) return null;
  const close = () => {
    opened.value = "";
  };
  return (
    <Modal title={node.name} onClose={close} class="sheet">
      <p>
        <StateWord node={node} full />
      </p>
      {node.advice && <p class="quiet">What to do: {node.advice}</p>}
      {why.value && <p class="notice">{why.value}</p>}
      <Verbs node={node} />
      <div class="row end">
        <a class="button" href={href("node", node.id)} onClick={close}>
          Open, with its log
        </a>
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Modal>
  );
}

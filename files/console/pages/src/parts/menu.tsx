// What can be done with a node.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Node, Verb } from "../contract";
import { pointless } from "../pure/verbs";
import { verbWord } from "../pure/words";
import { href } from "../router";
import { may, state, why } from "../store";
import { ask } from "./ask";
import { Change, StateWord } from "./bits";
import { Modal } from "./modal";

const ALL: Verb[] = ["drain", "undrain", "restart", "stop", "start", "remove", "kill"];

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

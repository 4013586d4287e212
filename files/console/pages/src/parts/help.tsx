// What the keys do, and what the marks mean.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import type { Shape } from "../contract";
import { Mark } from "./bits";
import { Modal } from "./modal";

export const helpOpen = signal(false);

const KEYS = [
  ["/", "to the filter"],
  ["j, k", "next row, former row"],
  ["Enter", "open the row"],
  [".", "what can be done with the row"],
  ["g o", "overview"],
  ["g t", "the first tier"],
  ["g e", "events"],
  ["g a", "actions"],
  ["?", "this help"],
  ["Esc", "close a dialog, leave a field"],
];

const SHAPES: [Shape, string][] = [
  ["serves", "in rotation"],
  ["moves", "starting or draining"],
  ["trouble", "trouble: see the word"],
  ["stopped", "stopped"],
];

export function Help(): JSX.Element | null {
  if (!helpOpen.value) return null;
  const close = () => {
    helpOpen.value = false;
  };
  return (
    <Modal title="Help" onClose={close}>
      <h3>Keys</h3>
      <dl class="keys">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <h3>Marks</h3>
      <dl class="keys">
        {SHAPES.map(([shape, text]) => (
          <div key={shape}>
            <dt>
              <Mark shape={shape} />
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        – means: not measured. 100 % CPU is one core. Times are of your zone; UTC is in their title. Every change shows
        its plan first, and only that plan is done.
      </p>
      <div class="row end">
        <button type="button" class="primary" onClick={close}>
          Close
        </button>
      </div>
    </Modal>
  );
}

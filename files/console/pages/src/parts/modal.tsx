// A native dialog: the focus goes into it, and back when it closes.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

let names = 0;

export function Modal(props: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  class?: string;
  /** Whether it must be answered: Esc does not close it. */
  must?: boolean;
}): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const name = useRef("");
  if (!name.current) {
    names += 1;
    name.current = `dialog-${names}`;
  }
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected && before !== document.body) before.focus();
      else document.querySelector<HTMLElement>("main h1")?.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={props.class ?? ""}
      aria-labelledby={name.current}
      onCancel={(event) => {
        event.preventDefault();
        if (!props.must) props.onClose();
      }}
      onKeyDown={(event) => {
        // Chromium closes a dialog on a second Esc although the first was refused.
        if (event.key === "Escape" && props.must) event.preventDefault();
      }}
    >
      <h2 id={name.current}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

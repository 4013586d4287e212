// The login, over the page that stays as it is.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { linesOf, loggedIn, loginNeeded, send } from "../api";
import { plainName } from "../pure/words";
import { forgetAll, me } from "../store";
import { Problems } from "./bits";
import { Modal } from "./modal";

export function Login(): JSX.Element | null {
  if (!loginNeeded.value) return null;
  return <LoginDialog />;
}

function LoginDialog(): JSX.Element {
  const former = me.peek()?.name ?? "";
  const [name, setName] = useState(former);
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [caps, setCaps] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problems, setProblems] = useState<string[]>([]);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setProblems([]);
    try {
      const body = { name: plainName(name), password };
      const answer = await send<{ name: string; key: string }>("POST", "/api/login", body, {}, false);
      const another = answer !== null && former !== "" && answer.name !== former;
      if (another) forgetAll();
      loggedIn(answer?.key ?? "", another);
    } catch (error) {
      setProblems(linesOf(error));
      setBusy(false);
    }
  }

  const look = (event: KeyboardEvent) => setCaps(event.getModifierState("CapsLock"));
  return (
    <Modal title={former ? "Your session has ended" : "Evenkeel"} onClose={() => {}} class="login" must>
      <form onSubmit={submit}>
        {former && <p class="quiet">Log in to go on where you were. What you typed is kept.</p>}
        <label>
          Name
          <input
            name="name"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            autofocus={!former}
            required
          />
        </label>
        <label>
          Password
          <input
            name="password"
            {...({ type: shown ? "text" : "password" } as { type: "password" })}
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
            onKeyDown={look}
            onKeyUp={look}
            autocomplete="current-password"
            autofocus={former !== ""}
            required
          />
        </label>
        <p class="hint" role="status">
          {caps ? "Caps lock is on." : "\u00a0"}
        </p>
        <label class="check">
          <input type="checkbox" checked={shown} onChange={(event) => setShown(event.currentTarget.checked)} />
          Show password
        </label>
        <Problems lines={problems} />
        <div class="row end">
          <button type="submit" class="primary" disabled={busy}>
            {busy ? "Logging in…" : "Log in"}
          </button>
        </div>
      </form>
    </Modal>
  );
}

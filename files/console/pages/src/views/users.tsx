// The reader's password, tokens for programs, and the list of users.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { linesOf, send } from "../api";
import type { Token, User } from "../contract";
import { Empty, Heading, Problems, Time } from "../parts/bits";
import { useLoaded } from "../parts/load";
import { Modal } from "../parts/modal";
import { me } from "../store";

export function Users(): JSX.Element {
  return (
    <>
      <Heading>Users and tokens</Heading>
      <Password />
      <Tokens />
      <UserList />
    </>
  );
}

function Password(): JSX.Element {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [problems, setProblems] = useState<string[]>([]);
  const [done, setDone] = useState("");

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    setDone("");
    if (fresh !== again) {
      setProblems(["password: got two that differ, want the same twice (fix: type both again)"]);
      return;
    }
    try {
      await send("POST", "/api/password", { old, new: fresh });
      setProblems([]);
      setOld("");
      setFresh("");
      setAgain("");
      setDone("Changed. Log in again with it; sessions and tokens of the old one have ended.");
    } catch (error) {
      setProblems(linesOf(error));
    }
  }

  const field = (label: string, value: string, set: (value: string) => void, complete: string) => (
    <label>
      {label}
      <input
        type="password"
        value={value}
        autocomplete={complete}
        required
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
  return (
    <section aria-labelledby="password">
      <h2 id="password">Your password</h2>
      <form class="fields" onSubmit={submit}>
        <input
          class="sr"
          name="username"
          autocomplete="username"
          value={me.value?.name ?? ""}
          readOnly
          tabIndex={-1}
          aria-label="Your name"
        />
        {field("Password now", old, setOld, "current-password")}
        {field("New password, 12 characters or more", fresh, setFresh, "new-password")}
        {field("New password again", again, setAgain, "new-password")}
        <button type="submit">Change password</button>
      </form>
      <Problems lines={problems} />
      <p role="status">{done}</p>
    </section>
  );
}

function Tokens(): JSX.Element {
  const { value, problems, again } = useLoaded<Token[]>("/api/tokens");
  const [name, setName] = useState("");
  const [role, setRole] = useState("viewer");
  const [days, setDays] = useState(30);
  const [refused, setRefused] = useState<string[]>([]);
  const [made, setMade] = useState<Token | null>(null);
  const [ending, setEnding] = useState<Token | null>(null);

  async function create(event: Event): Promise<void> {
    event.preventDefault();
    try {
      setMade(await send<Token>("POST", "/api/tokens", { name, role, days }));
      setRefused([]);
      setName("");
      again();
    } catch (error) {
      setRefused(linesOf(error));
    }
  }

  async function revoke(token: Token): Promise<void> {
    setEnding(null);
    try {
      await send("DELETE", `/api/tokens/${encodeURIComponent(token.id)}`, undefined);
      setRefused([]);
    } catch (error) {
      setRefused(linesOf(error));
    }
    again();
  }

  return (
    <section aria-labelledby="tokens">
      <h2 id="tokens">Tokens</h2>
      <p class="quiet">For programs: sent as “Authorization: Bearer …”. A token is shown once.</p>
      <form class="fields" onSubmit={create}>
        <label>
          Name of the token
          <input
            value={name}
            required
            maxLength={64}
            pattern="[A-Za-z0-9][A-Za-z0-9 ._\-]*"
            title="letters, digits, space . _ -"
            autocomplete="off"
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          Role
          <select value={role} onChange={(event) => setRole(event.currentTarget.value)}>
            <option value="viewer">viewer</option>
            {me.value?.role === "operator" && <option value="operator">operator</option>}
          </select>
        </label>
        <label>
          Days
          <input
            type="number"
            min={1}
            max={366}
            value={days}
            onInput={(event) => setDays(event.currentTarget.valueAsNumber || 1)}
          />
        </label>
        <button type="submit">Create token</button>
      </form>
      <Problems lines={[...problems, ...refused]} />
      {value?.length === 0 && <Empty>No tokens.</Empty>}
      {value && value.length > 0 && (
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">name</th>
              <th scope="col">user</th>
              <th scope="col">role</th>
              <th scope="col">expires</th>
              <th scope="col">
                <span class="sr">do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {value.map((token) => (
              <tr key={token.id} data-row-box>
                <th scope="row">{token.name}</th>
                <td>{token.user}</td>
                <td>{token.role}</td>
                <td>{token.expires === null ? "never" : <Time at={token.expires} />}</td>
                <td>
                  <button
                    type="button"
                    class="danger"
                    aria-label={`Revoke ${token.name}`}
                    onClick={() => setEnding(token)}
                  >
                    Revoke
                  </button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {made && (
        <Modal title={`Token ${made.name}`} onClose={() => setMade(null)}>
          <p>Copy it now: it is not shown again.</p>
          <p>
            <code class="secret selectable">{made.token}</code>
          </p>
          <div class="row end">
            <button type="button" class="primary" onClick={() => setMade(null)}>
              I have it
            </button>
          </div>
        </Modal>
      )}
      {ending && (
        <Modal title={`Revoke ${ending.name}?`} onClose={() => setEnding(null)}>
          <p>Programs that use this token are refused from now on.</p>
          <div class="row end">
            <button type="button" onClick={() => setEnding(null)}>
              Cancel
            </button>
            <button type="button" class="primary danger" onClick={() => void revoke(ending)}>
              Revoke
            </button>
          </div>
        </Modal>
      )}
    </section>
  );
}

function UserList(): JSX.Element | null {
  const operator = me.value?.role === "operator";
  const { value, problems } = useLoaded<User[]>(operator ? "/api/users" : "");
  if (!operator) return null;
  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      <p class="quiet">
        They are declared in <code>console_users</code>.
      </p>
      <Problems lines={problems} />
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">name</th>
            <th scope="col">role</th>
          </tr>
        </thead>
        <tbody>
          {(value ?? []).map((user) => (
            <tr key={user.name}>
              <th scope="row">{user.name}</th>
              <td>{user.role}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

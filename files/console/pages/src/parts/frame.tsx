// What stands around every page: where the reader is, whether it is live, and what runs.
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { keepKey, linesOf, loginNeeded, send } from "../api";
import { switchTheme, theme } from "../media";
import { moment, utc } from "../pure/format";
import { byName } from "../pure/rows";
import { href, route } from "../router";
import { announced, clock, clockTold, heardAt, live, me, refusedBy, state, tryAt } from "../store";
import { RunningStrip } from "../views/actions";
import { Mark, Problems } from "./bits";
import { helpOpen } from "./help";

export function Header(): JSX.Element {
  const reader = me.value;
  const [problems, setProblems] = useState<string[]>([]);

  async function logout(): Promise<void> {
    try {
      await send("POST", "/api/logout", {});
      keepKey("");
      location.hash = "#/";
      location.reload();
    } catch (error) {
      setProblems(linesOf(error));
    }
  }

  return (
    <header class="top">
      <div class="bar-top">
        <a class="brand" href={href("")}>
          {reader?.cluster ?? state.value?.cluster ?? "evenkeel"}
        </a>
        <Live />
        <span class="space" />
        {reader && (
          <span class="person">
            <a href={href("users")}>{reader.name}</a> <span class="quiet">({reader.role})</span>
          </span>
        )}
        <button
          type="button"
          class="icon"
          onClick={switchTheme}
          aria-label={theme.value === "dark" ? "Light colours" : "Dark colours"}
        >
          {theme.value === "dark" ? "☀" : "☾"}
        </button>
        <button
          type="button"
          class="icon"
          aria-label="Help"
          onClick={() => {
            helpOpen.value = true;
          }}
        >
          ?
        </button>
        {reader && (
          <button type="button" onClick={() => void logout()}>
            Log out
          </button>
        )}
      </div>
      <Problems lines={problems} />
      {reader && <Navigation />}
    </header>
  );
}

function Live(): JSX.Element {
  if (loginNeeded.value) return <span class="live quiet">not logged in</span>;
  if (!live.value) return <span class="live">▲ not live</span>;
  const age = Math.max(0, clock.value - heardAt.value);
  return (
    <span class="live">
      <Mark shape="serves" /> live <span class="num quiet live-age">{age.toFixed(1)} s ago</span>
    </span>
  );
}

function Navigation(): JSX.Element {
  const { page, name } = route.value;
  const tiers = Object.keys(state.value?.tiers ?? {}).sort(byName);
  const links = me.value?.links;
  const item = (text: string, to: string, here: boolean) => (
    <li key={to}>
      <a href={to} aria-current={here ? "page" : undefined}>
        {text}
      </a>
    </li>
  );
  return (
    <nav aria-label="Pages">
      <ul>
        {item("Overview", href(""), page === "overview")}
        {tiers.slice(0, 6).map((tier) => item(tier, href("tier", tier), page === "tier" && name === tier))}
        {item("Events", href("events"), page === "events")}
        {item("Actions", href("actions"), page === "actions" || page === "action")}
        {item("Audit", href("audit"), page === "audit")}
        {item("Users", href("users"), page === "users")}
      </ul>
      <ul class="out">
        {links?.site && <Out to={links.site} text="Web" />}
        {links?.dashboard && <Out to={links.dashboard} text="Dashboard" />}
        {links?.portainer && <Out to={links.portainer} text="Portainer" />}
        {links?.report && <Report />}
      </ul>
    </nav>
  );
}

function Out({ to, text }: { to: string; text: string }): JSX.Element | null {
  // A setting, but nothing else than a page may be opened by it.
  if (!/^https?:\/\//.test(to)) return null;
  return (
    <li>
      <a href={to} target="_blank" rel="noreferrer noopener">
        {text} <span aria-hidden="true">↗</span>
        <span class="sr">, opens another page</span>
      </a>
    </li>
  );
}

/** The newest report: a link that works once, because a plain one cannot carry the session. */
function Report(): JSX.Element {
  const [problems, setProblems] = useState<string[]>([]);
  const open = async () => {
    // Before the request, because browsers open windows for clicks alone.
    const tab = window.open("about:blank", "_blank");
    try {
      const answer = await send<{ url: string }>("POST", "/api/links", { to: "report" });
      setProblems([]);
      if (tab && answer) {
        tab.opener = null;
        tab.location.replace(new URL(answer.url, location.href).href);
      }
    } catch (error) {
      tab?.close();
      setProblems(linesOf(error));
    }
  };
  return (
    <li>
      <button type="button" class="link" onClick={() => void open()}>
        Report <span aria-hidden="true">↗</span>
      </button>
      <Problems lines={problems} />
    </li>
  );
}

/** When the page is not live: since when, and what happens next. */
export function NotLive(): JSX.Element | null {
  if (live.value || loginNeeded.value) return null;
  if (heardAt.value === 0) {
    const wait = tryAt.value > 0 ? `; trying again in ${Math.max(1, Math.ceil(tryAt.value - clock.value))} s` : "…";
    return (
      <p class="not-live">
        Connecting to the cluster's agent{wait} <Why />
      </p>
    );
  }
  const left = Math.ceil(tryAt.value - clock.value);
  return (
    <p class="not-live">
      <Mark shape="trouble" /> Not live since{" "}
      <time dateTime={new Date(heardAt.value * 1000).toISOString()} title={utc(heardAt.value)}>
        {moment(heardAt.value, clock.value)}
      </time>
      , last known state below; {left > 0 ? `trying again in ${left} s` : "trying again now"}. Changes are off until
      then. <Why />
    </p>
  );
}

/** When the browser's clock is another one than the server's. */
export function ClockNotice(): JSX.Element | null {
  return clockTold.value ? <p class="clock-told quiet">{clockTold.value}</p> : null;
}

function Why(): JSX.Element | null {
  return refusedBy.value ? <span class="quiet selectable">{refusedBy.value}</span> : null;
}

/** For screen readers: changes of state only. */
export function LiveRegion(): JSX.Element {
  return (
    <div class="sr" aria-live="polite" id="announcer">
      {announced.value}
    </div>
  );
}

export function Strip(): JSX.Element {
  return <RunningStrip />;
}

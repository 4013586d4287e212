import type { JSX } from "preact";
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { startKeys } from "./keys";
import { Ask } from "./parts/ask";
import { Empty, Heading } from "./parts/bits";
import { Fence } from "./parts/fence";
import { ClockNotice, Header, LiveRegion, NotLive, Strip } from "./parts/frame";
import { Help } from "./parts/help";
import { Login } from "./parts/login";
import { Sheet } from "./parts/menu";
import { href, route, startRouter } from "./router";
import { me, state } from "./store";
import { startStream } from "./stream";
import { ActionPage, Actions } from "./views/actions";
import { Audit, Events } from "./views/events";
import { NodePage } from "./views/node";
import { Overview } from "./views/overview";
import { TierPage } from "./views/tier";
import { Users } from "./views/users";

const PAGES: Record<string, () => JSX.Element> = {
  overview: Overview,
  tier: TierPage,
  node: NodePage,
  events: Events,
  actions: Actions,
  action: ActionPage,
  audit: Audit,
  users: Users,
};

function Unknown(): JSX.Element {
  return (
    <>
      <Heading>Unknown page</Heading>
      <Empty>
        There is no page at this address. <a href={href("")}>Overview</a>
      </Empty>
    </>
  );
}

function App(): JSX.Element {
  const { page, name } = route.value;
  const Page = PAGES[page] ?? Unknown;
  document.title =
    `${name && page === "tier" ? `${name} · ` : ""}${me.value?.cluster ?? state.value?.cluster ?? ""} Evenkeel`.trim();
  return (
    <>
      <button type="button" class="skip" onClick={() => document.querySelector<HTMLElement>("main h1")?.focus()}>
        To the page
      </button>
      <Header />
      <main id="main">
        <Fence key={`${page}/${name}`}>{me.value ? <Page /> : <Heading>Evenkeel</Heading>}</Fence>
      </main>
      <section class="status-bar" aria-label="Now">
        <NotLive />
        <ClockNotice />
        <Strip />
      </section>
      <Ask />
      <Sheet />
      <Help />
      <Login />
      <LiveRegion />
    </>
  );
}

startRouter();
startKeys();
startStream();
const place = document.getElementById("app");
if (place) render(<App />, place);

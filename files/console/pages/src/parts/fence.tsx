// A fault in one page leaves the rest of the console as it is.
import { Component, type ComponentChildren, type JSX } from "preact";

interface Seen {
  fault: string;
}

export class Fence extends Component<{ children: ComponentChildren }, Seen> {
  override state: Seen = { fault: "" };

  static override getDerivedStateFromError(error: unknown): Seen {
    return { fault: error instanceof Error ? error.message : String(error) };
  }

  override componentDidCatch(error: unknown): void {
    // Into the browser's console, for a report.
    setTimeout(() => {
      throw error;
    });
  }

  render(): ComponentChildren | JSX.Element {
    if (!this.state.fault) return this.props.children;
    return (
      <div class="problems" role="alert">
        <h1 tabIndex={-1}>This page has a fault</h1>
        <p>page: got '{this.state.fault}', want to show it (fix: load it again)</p>
        <button type="button" onClick={() => location.reload()}>
          Load again
        </button>
      </div>
    );
  }
}

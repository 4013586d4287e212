// The server's clock, as far as its messages tell it. Pure.

// For so long a message that was fast on its way counts; then the server's clock may have been set.
const KEPT_SECONDS = 60;
// Less is not worth a line: messages are late, and figures are shown once in a second.
const TOLD_SECONDS = 5;

interface Heard {
  at: number;
  ahead: number;
}

/** Gathers the times of messages. All times are in seconds; `steady` is of a clock that is never set. */
export class ServerClock {
  private heard: Heard[] = [];

  hear(server: number, steady: number): void {
    const ahead = server - steady;
    // Messages are late and never early: what is the most ahead is the nearest to the truth.
    this.heard = this.heard.filter((one) => steady - one.at <= KEPT_SECONDS && one.ahead > ahead);
    this.heard.push({ at: steady, ahead });
  }

  /** The server's time now, in seconds since the epoch; null if it told none. */
  now(steady: number): number | null {
    const first = this.heard[0];
    return first === undefined ? null : first.ahead + steady;
  }
}

/** A line if the browser's clock is another one than the server's; `ahead` is what the server's has more. */
export function clockLine(ahead: number): string {
  const seconds = Math.round(Math.abs(ahead));
  if (Math.abs(ahead) <= TOLD_SECONDS) return "";
  const way = ahead > 0 ? "behind" : "ahead of";
  return `This browser's clock is ${seconds} s ${way} the cluster's. Durations here are by the cluster's clock.`;
}

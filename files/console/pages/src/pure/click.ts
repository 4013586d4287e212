// The names of clicks, so that a repetition of a request does nothing twice. Pure but for its chance.

function made(): string {
  const numbers = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(numbers, (number) => number.toString(16).padStart(2, "0")).join("");
}

/** One name for a click and its repetitions; another plan is another click. */
export class ClickKeys {
  private plan = "";
  private key = "";

  of(plan: string): string {
    if (this.plan !== plan || this.key === "") this.key = made();
    this.plan = plan;
    return this.key;
  }

  /** A refusal by a status of 400 to 499 did nothing; after any other one it is not known. */
  refused(status: number): void {
    if (status >= 400 && status < 500) this.key = "";
  }
}

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

/** What is said above the plan of now, after a refusal; empty if the plan that was shown still holds. */
export function newPlanLine(status: number, given: boolean): string {
  if (given) return "The cluster has changed meanwhile. This is the plan now:";
  // An agent that has begun again knows no plan of before, and not which of them it has carried out.
  if (status === 404) return "That plan is not known any more. See under Actions whether it was done. Planned again:";
  return "";
}

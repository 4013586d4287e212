// The lines of a log that are kept. Pure.
import { type LogLine, logLine } from "./ansi";

export const MOST_LINES = 3000;

export interface Numbered extends LogLine {
  number: number;
}

function nameOf(line: LogLine): string {
  return `${line.stream} ${line.time} ${line.plain}`;
}

/** Takes lines in as they come. Two streams of one node may be out of order, and have equal stamps. */
export class LogLines<T extends Numbered> {
  lines: T[] = [];
  count = 0;
  private last = "";
  private had: Set<string> | null = null;

  constructor(private readonly kept: (line: Numbered) => T) {}

  /** The log is opened again: its end comes once more, until a line that is new. */
  opened(): void {
    this.had = this.lines.length > 0 ? new Set(this.lines.map(nameOf)) : null;
  }

  /** Whether the line is one more. */
  add(stream: string, raw: string): boolean {
    const line = logLine(stream, raw);
    if (this.had && line.time) {
      if (this.had.has(nameOf(line))) return false;
      if (line.time > this.last) this.had = null;
    }
    if (line.time > this.last) this.last = line.time;
    this.count += 1;
    this.lines.push(this.kept({ ...line, number: this.count }));
    if (this.lines.length > MOST_LINES * 1.2) this.lines = this.lines.slice(-MOST_LINES);
    return true;
  }
}

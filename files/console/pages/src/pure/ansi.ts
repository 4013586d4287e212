// Lines of a log: colours as classes, every other control or direction character as a visible escape. Pure.

export interface Part {
  text: string;
  /** Names of classes, with spaces; empty for none. */
  look: string;
}

export interface LogLine {
  stream: string;
  /** Docker's time, as it gives it; empty if there is none. */
  time: string;
  parts: Part[];
  /** Without colours, with visible escapes. */
  plain: string;
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;
// ESC [ numbers m: the only sequence that is obeyed.
const COLOUR = /\x1b\[([0-9;]*)m/g;
// C0 without tab, DEL and C1, direction marks and isolates, separators of lines, marks of no width.
const HIDDEN =
  /[\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;
const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

/** The text with each hidden character as an escape, such as `\x1b` or `\u202e`. */
export function escaped(text: string): string {
  return text.replace(HIDDEN, (sign) => {
    const code = sign.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

interface Look {
  colour: string;
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underlined: boolean;
}

const PLAIN: Look = { colour: "", bold: false, dim: false, italic: false, underlined: false };

function after(look: Look, codes: string): Look {
  const numbers = codes.split(";").map((code) => Number(code || "0"));
  let found = { ...look };
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at] ?? 0;
    if (code === 0) found = { ...PLAIN };
    else if (code === 1) found.bold = true;
    else if (code === 2) found.dim = true;
    else if (code === 3) found.italic = true;
    else if (code === 4) found.underlined = true;
    else if (code === 22) found = { ...found, bold: false, dim: false };
    else if (code === 23) found.italic = false;
    else if (code === 24) found.underlined = false;
    else if (code >= 30 && code <= 37) found.colour = NAMES[code - 30] ?? "";
    else if (code >= 90 && code <= 97) found.colour = NAMES[code - 90] ?? "";
    else if (code === 39) found.colour = "";
    else if (code === 38 || code === 48) {
      // 256 colours: the first 16 have names. True colour is left out.
      const kind = numbers[at + 1];
      const colour = numbers[at + 2] ?? 0;
      if (code === 38 && kind === 5) found.colour = colour < 16 ? (NAMES[colour % 8] ?? "") : "";
      at += kind === 2 ? 4 : 2;
    }
  }
  return found;
}

function classes(look: Look): string {
  const found = [];
  if (look.colour) found.push(`ansi-${look.colour}`);
  if (look.bold) found.push("ansi-bold");
  if (look.dim) found.push("ansi-dim");
  if (look.italic) found.push("ansi-italic");
  if (look.underlined) found.push("ansi-underlined");
  return found.join(" ");
}

/** The parts of a text by colour. */
export function parts(text: string): Part[] {
  const found: Part[] = [];
  let look = PLAIN;
  let at = 0;
  const add = (piece: string) => {
    if (piece) found.push({ text: escaped(piece), look: classes(look) });
  };
  for (const match of text.matchAll(COLOUR)) {
    add(text.slice(at, match.index));
    look = after(look, match[1] ?? "");
    at = match.index + match[0].length;
  }
  add(text.slice(at));
  return found;
}

/** A line as the API gives it: the stream's name, and the text with Docker's time. */
export function logLine(stream: string, raw: string): LogLine {
  const text = raw.replace(/\r$/, "");
  const time = TIME.exec(text)?.[1] ?? "";
  const pieces = parts(text.replace(TIME, ""));
  return { stream, time, parts: pieces, plain: pieces.map((piece) => piece.text).join("") };
}

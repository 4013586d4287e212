// What can be done with a node in its state. Pure.
import type { Node, Verb } from "../contract";

/** The word of a node that is paused in Docker. The agent removes it, and refuses all else. */
const FROZEN = "frozen";

/** Why a verb makes no sense for a node now; empty if it does. The agent decides in the end. */
export function pointless(verb: Verb, node: Node): string {
  if (node.word === FROZEN) return verb === "remove" ? "" : "It is frozen: docker unpause, or remove it.";
  const runs = node.shape !== "stopped" && !node.word.startsWith("ended") && node.word !== "out of memory";
  if (verb === "start") return runs ? "It runs already." : "";
  if (verb === "undrain") return node.word === "draining" ? "" : "It does not drain.";
  if (verb === "drain" && node.word === "draining") return "It drains already.";
  if ((verb === "drain" || verb === "stop" || verb === "kill") && !runs) return "It does not run.";
  return "";
}

/** The verb that is likely wanted next. */
export function nextVerb(node: Node): Verb {
  if (node.word === "draining") return "undrain";
  if (node.word === FROZEN) return "remove";
  if (pointless("start", node) === "") return "start";
  return node.shape === "trouble" ? "restart" : "drain";
}

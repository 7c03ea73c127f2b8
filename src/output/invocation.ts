/**
 * How a user starts this program, for the commands in its messages: `bun run` in the repository, whose scripts are the verbs; in an
 * installed package, which is JavaScript, its command as the current runtime starts it.
 *
 * Other rooms may enter output here as well as by `index.ts`: a command's first line needs nothing else of it.
 */
const installed = !import.meta.url.endsWith(".ts")

const packageCommand = (): string => {
  if ("Deno" in globalThis) return "deno run -A npm:tfjs-lora-pro"
  return globalThis.process?.versions["bun"] === undefined ? "npx tfjs-lora-pro" : "bunx --bun tfjs-lora-pro"
}

/** To be followed by a verb: `bun run`, `npx tfjs-lora-pro` … */
export const invocation: string = installed ? packageCommand() : "bun run"

/** What has to be done before, where nothing is installed yet; undefined: nothing. */
export const preparation: string | undefined = installed ? undefined : "bun install"

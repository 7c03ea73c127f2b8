/**
 * How a user starts this program, for the commands in its messages.
 *
 *   in the repository, whose scripts are the verbs     bun run train …        deno run -A src/bin/tfjs-lora-pro.ts train …
 *   by a script of a project that is a verb alone      bun run predict …
 *   by a package manager                               bunx --bun tfjs-lora-pro …   npx …   pnpm exec …   deno run -A npm:…
 *   installed for all                                  tfjs-lora-pro …
 *
 * Other folders may import this file directly, not only through `index.ts`: a command's first line needs nothing else.
 */
import { shellWord } from "../boundary/index.ts"

const NAME = "tfjs-lora-pro"

/** Evidence of how this process was started. */
export interface Started {
  readonly runtime: "bun" | "deno" | "node"
  /** whether the program runs from this repository's TypeScript, not the package's JavaScript */
  readonly cloned: boolean
  /** the entry file, as the runtime reports it */
  readonly main: string
  readonly directory: string
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Returns the package manager that runs this process, from its user agent: "npm/11.19.1 node/…". */
const managerOf = ({ environment }: Started): string | undefined =>
  /^(\w+)\//.exec(environment["npm_config_user_agent"] ?? "")?.[1]

const inClone = ({ runtime, main, directory }: Started): string => {
  if (runtime === "bun") return "bun run"
  const file = main.startsWith(`${directory}/`) ? main.slice(directory.length + 1) : main
  return `${runtime === "deno" ? "deno run -A" : "node"} ${shellWord(file)}`
}

const ofPackage = (started: Started): string => {
  const { runtime, main } = started
  if (runtime === "deno") return `deno run -A npm:${NAME}`
  // not installed in a project, but run from where it was fetched to
  const fetched = /[/\\]dlx[/\\-]/.test(main)
  const inBun = runtime === "bun" ? `bunx --bun ${NAME}` : `bunx ${NAME}`
  switch (managerOf(started)) {
    case "bun":
      return inBun
    case "npm":
      return `npx ${NAME}`
    case "pnpm":
      return `pnpm ${fetched ? "dlx" : "exec"} ${NAME}`
    case "yarn":
      return fetched ? `yarn dlx ${NAME}` : `yarn ${NAME}`
    default:
      if (new RegExp(`[/\\\\]${NAME}(\\.exe)?$`).test(main) && !/[/\\]\.bin[/\\]/.test(main)) return NAME
      return runtime === "bun" ? inBun : `npx ${NAME}`
  }
}

/** Returns the words that precede a verb on the command line. `scripts`: the scripts of the project, if one of them started this process. */
export const wordsBefore = (verb: string, started: Started, scripts: Readonly<Record<string, unknown>>): string => {
  if (started.cloned) return inClone(started)
  // Bun gives a script what follows its name; npm keeps options for itself
  if (started.runtime === "bun" && managerOf(started) === "bun" && scripts[verb] === `${NAME} ${verb}`) return "bun run"
  return ofPackage(started)
}

/** This process. */
const currentProcess = (): Started => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  return {
    runtime: "Deno" in globalThis ? "deno" : process?.versions["bun"] === undefined ? "node" : "bun",
    cloned: import.meta.url.endsWith(".ts"),
    main: process?.argv[1] ?? "",
    directory: process?.cwd() ?? "",
    environment: process?.env ?? {}
  }
}

const MOST_BYTES = 2 ** 20 // a package.json has a thousandth

/** Returns the scripts of the project whose script this process is; empty if it is not one or they cannot be read. */
const scriptsHere = ({ environment }: Started): Readonly<Record<string, unknown>> => {
  const file = environment["npm_package_json"]
  if (environment["npm_command"] !== "run-script" || file === undefined) return {}
  try {
    const fs = process.getBuiltinModule("node:fs")
    if (fs.statSync(file).size > MOST_BYTES) return {}
    const { scripts }: { readonly scripts?: unknown } = JSON.parse(fs.readFileSync(file, "utf8"))
    return typeof scripts === "object" && scripts !== null ? { ...scripts } : {}
  } catch {
    return {}
  }
}

/** Formats a command of this program as the user would type it. `words`: a verb and its arguments, with paths quoted for a shell. */
export const command = (words: string): string => {
  const started = currentProcess()
  return `${wordsBefore(words.split(" ")[0]!, started, scriptsHere(started))} ${words}`
}

/** Command to run first if nothing is installed yet; undefined: none is needed. */
export const preparation: string | undefined = import.meta.url.endsWith(".ts") ? "bun install" : undefined

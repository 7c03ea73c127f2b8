/** A reader of a page: a folder as the page takes it for granted, and its commands, one after the other, by bash. */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { blocksOf, repository } from "./pages.ts"
import { type Given, givenTo, table } from "./table.ts"

const link = (name: string, folder: string): void => symlinkSync(join(repository, name), join(folder, name))

/** A clone of the repository: what is only read is linked, and where programs may write are copies. */
const clone = (folder: string): void => {
  for (const name of ["adapters", "bench", "node_modules", "schemas", "scripts", "src"]) link(name, folder)
  for (const name of ["bunfig.toml", "package.json", "tsconfig.json"])
    copyFileSync(join(repository, name), join(folder, name))
  mkdirSync(join(folder, "examples", "models"), { recursive: true })
  for (const name of readdirSync(join(repository, "examples"))) {
    const copy = { recursive: true, filter: (path: string) => !path.endsWith("digits/rows") }
    if (name !== "models") cpSync(join(repository, "examples", name), join(folder, "examples", name), copy)
  }
  for (const name of readdirSync(join(repository, "examples", "models"))) link(join("examples", "models", name), folder)
}

/** A project with the package and its peers. */
const project = (folder: string): void => {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }))
  mkdirSync(join(folder, "node_modules"))
  for (const name of readdirSync(join(repository, "node_modules")).filter((name) => !name.startsWith(".")))
    link(join("node_modules", name), folder)
  symlinkSync(repository, join(folder, "node_modules", "tfjs-lora-pro"))
}

/** Writes a file below a folder, and never through a link that leads out of it. */
const put = (root: string, name: string, content: string | Uint8Array): void => {
  const path = join(root, name)
  mkdirSync(dirname(path), { recursive: true })
  if (!realpathSync(dirname(path)).startsWith(realpathSync(root))) throw new Error(`${name} would be written outside`)
  writeFileSync(path, content)
}

/** The only block of a page that has these words. */
export const blockWith = (page: string, words: string) => {
  const having = blocksOf(page).filter(({ text }) => text.includes(words))
  if (having.length !== 1) throw new Error(`${page} has ${having.length} blocks with ${words}; expected one`)
  return having[0]!
}

/** A text with changes, each of which has to change something. */
export const changed = (text: string, changes: ReadonlyArray<readonly [string, string]>): string =>
  changes.reduce((now, [from, to]) => {
    if (!now.includes(from)) throw new Error(`there is no ${from} to change in:\n${now}`)
    return now.replace(from, to)
  }, text)

/** The files of what is given by a name. */
const contentsOf = (page: string, name: string, given: Given): Readonly<Record<string, string | Uint8Array>> => {
  if ("bytes" in given) return { [name]: given.bytes() }
  if ("block" in given) return { [name]: changed(blockWith(page, given.block).text, given.changed ?? []) }
  if ("text" in given) return { [name]: given.text() }
  if ("own" in given) return {}
  return Object.fromEntries(Object.entries(given.files()).map(([file, content]) => [join(name, file), content]))
}

/**
 * Programs that a reader has: the package's command as an installation has it, bunx, which takes what is installed, and `some FILE`, which
 * names a file with some rows of another, for what `table.ts` makes shorter.
 */
const programs: Readonly<Record<string, string>> = {
  "tfjs-lora-pro": `exec bun "${join(repository, "src", "bin", "tfjs-lora-pro.ts")}" "$@"`,
  bunx: `[ "$1" = --bun ] && shift
program="$1"; shift
if [ "$program" = tfjs-lora-pro ]; then exec tfjs-lora-pro "$@"; fi
exec "${join(repository, "node_modules", ".bin")}/$program" "$@"`,
  some: `to="$PWD/some-$(basename "$(dirname "$1")")-$(basename "$1")"
head -n 24 "$1" > "$to" && echo "$to"`
}

/** An environment without what a package script says of itself, as one of `bun run test` does. */
const environment = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))

/** Milliseconds after which a command is ended: one that goes on for ever, such as a server, belongs into the table. */
const LONGEST = 150_000

export interface Ran {
  readonly code: number
  /** what a terminal shows: both of its streams */
  readonly printed: string
}

export interface Reader {
  readonly folder: string
  /** where the last `cd` has led, below the folder; "" in it */
  readonly place: () => string
  readonly run: (command: string) => Promise<Ran>
  /** a command that goes on until the reader leaves or starts another; what it has printed once it has printed this */
  readonly start: (command: string, until: RegExp) => Promise<Ran>
  /** ends what was started */
  readonly stop: () => Promise<void>
  /** goes back to the folder in which the page begins */
  readonly home: () => void
  readonly put: (name: string, content: string) => void
  readonly close: () => Promise<void>
}

/** A reader of a page, in a folder of its own. */
export const readerOf = (page: string): Reader => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "tfjs-lora-pro-page-")))
  const folder = join(root, "reader")
  mkdirSync(folder)
  if (table[page]?.where === "project") project(folder)
  else clone(folder)
  for (const [name, body] of Object.entries(programs)) {
    put(root, join("bin", name), `#!/bin/bash\n${body}\n`)
    chmodSync(join(root, "bin", name), 0o755)
  }
  for (const [name, given] of Object.entries(givenTo(page))) {
    for (const [file, content] of Object.entries(contentsOf(page, name, given))) put(folder, file, content)
  }
  const env = { ...environment(), PATH: `${join(root, "bin")}:${process.env["PATH"]}`, REPOSITORY: repository }
  const place = join(root, "place") // where the last command has led
  let cwd = folder
  const bash = (script: string, detached = false) =>
    Bun.spawn(["bash", "-c", `exec 2>&1\n${script}`], {
      ...(detached ? {} : { timeout: LONGEST }),
      cwd,
      env,
      detached,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore"
    })
  let started: ReturnType<typeof bash> | undefined
  const stop = async () => {
    // in a process group of its own: `bun run` has the program as its child
    if (started !== undefined && started.exitCode === null) process.kill(-started.pid, "SIGTERM")
    await started?.exited
    started = undefined
  }
  return {
    folder,
    place: () => cwd.slice(folder.length + 1),
    run: async (command) => {
      const child = bash(`${command}\nended=$?\npwd > "${place}"\nexit $ended`)
      const printed = await new Response(child.stdout).text()
      const code = await child.exited
      if (existsSync(place)) cwd = readFileSync(place, "utf8").trim()
      return { code, printed }
    },
    start: async (command, until) => {
      await stop()
      const child = bash(command, true)
      started = child
      let printed = ""
      const said = Promise.withResolvers<void>()
      const reading = (async () => {
        const decoder = new TextDecoder()
        for await (const bytes of child.stdout) {
          printed += decoder.decode(bytes, { stream: true })
          if (until.test(printed)) said.resolve()
        }
      })()
      await Promise.race([said.promise, reading])
      return { code: child.exitCode ?? 0, printed }
    },
    stop,
    home: () => {
      cwd = folder
    },
    put: (name, content) => put(folder, name, content),
    close: async () => {
      await stop()
      rmSync(root, { recursive: true, force: true })
    }
  }
}

/** A page, read from its first block to its last: what its reader would do, and what went otherwise than the page says. */
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { type Block, blocksOf, commandsOf, isProgram, pages, placeOf, type Shown, stepsOf } from "./pages.ts"
import { differences, isComputed } from "./printed.ts"
import { changed, type Ran, type Reader, readerOf } from "./reader.ts"
import { marked, othersThanShown, withoutMarks } from "./results.ts"
import { rowFor, table } from "./table.ts"

/** The default run, by the names that pages have for it. It is trained once for all of them. */
const DEFAULT_RUN = "runs/movies-lora-pro-full-1"
/** By its path, so that what is said of its rows names the clone's. */
const EMBEDDED = "examples/plans/movies-lora-pro-full.json"
const trainsDefault = ["bun run train", "bunx --bun tfjs-lora-pro train", `bun run train ${EMBEDDED}`]

interface Trained {
  readonly ran: Ran
  readonly folder: string
  readonly reader: Reader
}

let trained: Promise<Trained> | undefined

/** The default run, trained in a clone of its own. */
const defaultRun = (): Promise<Trained> => {
  trained ??= (async () => {
    const reader = readerOf("README.md")
    return { ran: await reader.run(`bun run train ${EMBEDDED}`), folder: reader.folder, reader }
  })()
  return trained
}

/** The program on the model card of the default run, where that was trained. */
export const askedByCard = async (): Promise<Ran & { readonly card: string }> => {
  const { folder, reader } = await defaultRun()
  const card = readFileSync(join(folder, DEFAULT_RUN, "adapter", "README.md"), "utf8")
  reader.put("asked.ts", /^```ts\n([\s\S]*?)^```$/m.exec(card)![1]!)
  return { card, ...(await reader.run("bun asked.ts")) }
}

export const forgetDefaultRun = async (): Promise<void> => (await trained)?.reader.close()

/** What comes of a page. */
export interface Reading {
  /** what was run, with its seconds */
  readonly done: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

/** Lines of a terminal that are not the program's: bun's own, and those of a GPU's driver. */
const ofOthers = /^(\$ (bun|tfjs-lora-pro) |error: script ".*" exited with code|Warning: max\w+ artificially reduced)/

const linesOf = ({ printed }: Ran): ReadonlyArray<string> => printed.split("\n").filter((line) => !ofOthers.test(line))

const PYTHON = process.env["PYTHON"] ?? "python3"

/** A program of Python is run where its modules are; where they are not, that is told, and with REQUIRE_PEFT=1 it is run and fails. */
const lacksModules = ({ page, line, text }: Block): boolean => {
  const modules = [...text.matchAll(/^(?:from|import) (\w+)/gm)].map(([, name]) => name!)
  const found = Bun.which(PYTHON) !== null && Bun.spawnSync([PYTHON, "-c", `import ${modules.join(", ")}`]).success
  if (!found) console.warn(`${placeOf({ page, line })} is not run: Python lacks one of ${modules.join(", ")}`)
  return !found && process.env["REQUIRE_PEFT"] !== "1"
}

/** Does the page show that this fails? */
const shownToFail = (output: ReadonlyArray<string> | undefined): boolean =>
  output?.some((line) => /^(ERROR|\w*Error:)|: \d+ problems:$/.test(line)) ?? false

const PORT = 8000

/** A server's port, which is another in every test: commands and programs have it in the place of 8000. */
const portOf = (() => {
  let next = 20_000 + (process.pid % 20_000)
  return () => next++
})()

const blockCommands = (block: Block): string =>
  commandsOf(block)
    .map(({ text }) => text)
    .join("\n")

/** The page before this one that has a block with the same commands and no output: there they are run. */
const earlierPage = (block: Block): string | undefined => {
  if (commandsOf(block).some(({ output }) => output !== undefined)) return undefined
  const order = ["README.md", ...pages.filter((page) => page !== "README.md")]
  return order
    .slice(0, order.indexOf(block.page))
    .find((page) => blocksOf(page).some((other) => blockCommands(other) === blockCommands(block)))
}

export const readPage = async (page: string): Promise<Reading> => {
  const row = table[page] ?? {}
  const port = portOf()
  const withPort = (text: string) => text.replaceAll(`127.0.0.1:${PORT}`, `127.0.0.1:${port}`)
  const done: Array<string> = []
  const problems: Array<string> = []
  const ran = new Map<string, Ran>()
  const reader = readerOf(page)

  const runStep = async (step: string): Promise<Ran | undefined> => {
    const named = reader.place() === "" ? step : `${reader.place()}$ ${step}`
    if (rowFor(row.notRun, named) !== undefined) return undefined
    if (ran.has(named) && !step.startsWith("cd ")) return ran.get(named)
    const before = rowFor(row.before, named)
    if (before !== undefined) await reader.run(before)
    const began = performance.now()
    const result = await runNow(reader, step, named)
    ran.set(named, result)
    done.push(`${named}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
    return result
  }

  const runNow = async (reader: Reader, step: string, named: string): Promise<Ran> => {
    if (trainsDefault.includes(named) && !existsSync(join(reader.folder, DEFAULT_RUN))) {
      const { ran, folder } = await defaultRun()
      mkdirSync(join(reader.folder, "runs"), { recursive: true })
      cpSync(join(folder, DEFAULT_RUN), join(reader.folder, DEFAULT_RUN), { recursive: true })
      return ran
    }
    if (/\bserve\b/.test(step)) return reader.start(`${step} --port ${port}`, /127\.0\.0\.1:\d+/)
    const added = rowFor(row.shorter, named)
    return reader.run(rowFor(row.instead, named)?.[0] ?? withPort(added === undefined ? step : `${step} ${added}`))
  }

  /** Files that computed commands wrote: their numbers are another machine's too. */
  const computedFiles: Array<string> = []

  const runCommand = async (shown: Shown): Promise<void> => {
    const steps = stepsOf(shown.text)
    for (const [i, step] of steps.entries()) {
      const computed = isComputed(step) || computedFiles.some((file) => step.includes(file))
      const [, written] = / --out (\S+)/.exec(step) ?? []
      if (computed && written !== undefined) computedFiles.push(written)
      const result = await runStep(step)
      if (result === undefined) return
      const last = i === steps.length - 1
      const fails = last && shownToFail(shown.output)
      if ((result.code !== 0) !== fails)
        problems.push(`${placeOf(shown)} ${step}: exit code ${result.code}\n${result.printed.slice(-3000)}`)
      if (step.startsWith("curl ") && /"error"/.test(result.printed))
        problems.push(`${placeOf(shown)} ${step}: ${result.printed}`)
      // what a page leaves out of a terminal is not compared
      if (!last || shown.output === undefined || shown.output.length === 0) continue
      const output = shown.output.filter((line) => rowFor(row.unlike, line) === undefined)
      const wrong = differences(output, linesOf(result), { numbers: !computed, whole: !computed })
      if (wrong.length > 0) problems.push([`${placeOf(shown)} ${step}`, ...wrong].join("\n  "))
    }
  }

  const runProgram = async (block: Block): Promise<void> => {
    const entry = Object.entries(row.programs ?? {}).find(([words]) => block.text.includes(words))?.[1] ?? []
    if (typeof entry === "string" || (block.language === "python" && lacksModules(block))) return
    const file = `pasted-${block.line}.${block.language}`
    const code = changed(block.text, entry)
    reader.put(file, marked(withPort(code).replaceAll(`port: ${PORT}`, `port: ${port}`), block.language))
    const began = performance.now()
    if (block.text.includes(`port: ${PORT}`)) await reader.stop() // it listens there itself
    const ran = await reader.run(block.language === "python" ? `${PYTHON} ${file}` : `bun ${file}`)
    done.push(`${placeOf(block)}: ${((performance.now() - began) / 1000).toFixed(1)} s`)
    if (ran.code !== 0)
      problems.push(`${placeOf(block)}: exit code ${ran.code}\n${withoutMarks(ran.printed).slice(-3000)}`)
    const [within] = Object.entries(row.near ?? {}).find(([words]) => block.text.includes(words))?.[1] ?? []
    const wrong = othersThanShown(code, block.language, ran.printed, within === undefined ? {} : { within })
    if (wrong.length > 0) problems.push([`${placeOf(block)}`, ...wrong].join("\n  "))
  }

  try {
    for (const block of blocksOf(page)) {
      reader.home()
      if (isProgram(block)) await runProgram(block)
      if (earlierPage(block) === undefined) for (const shown of commandsOf(block)) await runCommand(shown)
    }
  } finally {
    await reader.close()
  }
  return { done, problems }
}

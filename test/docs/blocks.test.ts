/**
 * What pages show is what works: their JSON is JSON and their plans are plans, their commands have the flags that they are called with,
 * and the files that commands name are there or are made by a command before. `blocks.processes.ts` compiles the programs and
 * `commands.processes.ts` runs the commands.
 */
import { describe, expect, test } from "bun:test"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Result from "effect/Result"
import ownPackage from "../../package.json" with { type: "json" }
import { commandNames, parsed } from "./command-line.ts"
import { madeBy, madeByProgram, readBy } from "./files.ts"
import {
  allBlocks,
  allCommands,
  type Block,
  blocksOf,
  codeInSentences,
  commandsOf,
  isProgram,
  isTerminal,
  pages,
  placeOf,
  repository,
  stepsOf,
  wordsOf
} from "./pages.ts"
import { documentsIn, problemsOf } from "./plan-blocks.ts"
import { resultsIn, strayIn } from "./results.ts"
import { givenTo, type PageRow, table } from "./table.ts"

const scripts: Readonly<Record<string, string>> = ownPackage.scripts

/** Is it a file that another file of the page names, such as the rows of a plan? */
const inGiven = ({ given = {} }: PageRow, file: string): boolean =>
  Object.values(given).some((one) => "text" in one && one.text().includes(`"${file}"`))

test("pages have blocks, and commands in them", () => {
  expect(pages.length).toBeGreaterThan(40)
  expect(allBlocks.length).toBeGreaterThan(150)
  expect(allCommands.length).toBeGreaterThan(170)
  expect(allCommands.filter(({ output }) => output !== undefined).length).toBeGreaterThan(70)
})

describe("each page of docs", () => {
  test.each(pages.filter((page) => page.startsWith("docs/")))("%s begins with something to run", (page) => {
    const first = blocksOf(page)[0]
    expect(first?.line).toBeLessThan(12)
    expect(commandsOf(first!).length + (["ts", "js"].includes(first!.language) ? 1 : 0)).toBeGreaterThan(0)
  })
})

describe("blocks", () => {
  /** What blocks may be; the languages say how each is held to what it says. */
  const languages = ["", "sh", "bash", "ts", "js", "json", "jsonc", "python", "toml", "yaml", "dockerfile"]

  test("are in languages that a test reads", () => {
    expect(allBlocks.filter(({ language }) => !languages.includes(language)).map(placeOf)).toEqual([])
  })

  const plain = allBlocks.filter((block) => block.language === "" && !isTerminal(block))

  test("show the command whose output they are, or have a reason in the table", () => {
    const wrong = plain.filter(
      ({ page, text }) => !Object.keys(table[page]?.plain ?? {}).some((it) => text.includes(it))
    )
    expect(wrong.map(placeOf)).toEqual([])
  })

  test("the folders that CONTRIBUTING.md lists are there", () => {
    const [list] = blocksOf("CONTRIBUTING.md").filter((block) => plain.some(({ text }) => text === block.text))
    const paths = list!.text
      .split("\n")
      .flatMap((line) => /^((?:[\w./-]+ )*[\w./-]+) {2,}/.exec(`${line}  `)?.[1]?.split(" ") ?? [])
    const listed = paths.filter((path) => /\/$|\.ts$/.test(path))
    expect(listed.length).toBeGreaterThan(25)
    expect(listed.filter((path) => !existsSync(join(repository, path)))).toEqual([])
  })

  test("that are commands say so, by sh or a prompt", () => {
    const looksTyped = /^(bun|bunx|npx|npm|deno|mpirun|python3?|curl|sudo|tensorboard|tfjs-lora-pro) /m
    const wrong = plain.filter(({ text }) => looksTyped.test(text))
    expect(wrong.map(placeOf)).toEqual([])
  })

  const json = allBlocks.filter(({ language }) => /^jsonc?$/.test(language))

  test("there is JSON, with plans", () => {
    expect(json.length).toBeGreaterThan(15)
  })

  test.each(json.map((block) => [placeOf(block), block] as const))(
    "%s is JSON, and its plans are plans",
    (_, block) => {
      expect(documentsIn(block)).toBeDefined()
      expect(problemsOf(block)).toEqual([])
    }
  )

  test.each(allBlocks.filter(({ language }) => language === "toml").map((block) => [placeOf(block), block] as const))(
    "%s is TOML",
    (_, { text }) => {
      expect(Object.keys(Bun.TOML.parse(text)).length).toBeGreaterThan(0)
    }
  )
})

describe("results in the comments of programs", () => {
  const programs = allBlocks.filter(isProgram)

  test("are there", () => {
    expect(programs.flatMap(({ text, language }) => resultsIn(text, language)).length).toBeGreaterThan(8)
  })

  test("stand where something is printed: elsewhere they are not compared", () => {
    const stray = programs.flatMap((block) =>
      strayIn(block.text, block.language).map(({ line, text }) => `${block.page}:${block.line + line - 1}: ${text}`)
    )
    expect(stray).toEqual([])
  })
})

/** The words after `tfjs-lora-pro`, however it is called; undefined of other programs. */
const callOf = (words: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const cli = words.findIndex((word) => /^(npm:)?tfjs-lora-pro$|^src\/bin\/tfjs-lora-pro\.ts$/.test(word))
  if (cli >= 0 && words[1] !== "add") return words.slice(cli + 1)
  const run = words.findIndex((word, i) => word === "run" && words[i - 1] === "bun")
  const script = run < 0 ? undefined : words[run + 1]
  return script !== undefined && commandNames.includes(script) ? words.slice(run + 1) : undefined
}

const calls = allCommands.flatMap((shown) =>
  wordsOf(shown.text).flatMap(({ words }) => {
    const call = callOf(words)
    return call === undefined ? [] : [{ shown, call }]
  })
)

describe("commands", () => {
  test("of this package are most of those that pages show", () => {
    expect(calls.length).toBeGreaterThan(120)
    expect([...new Set(calls.map(({ call }) => call[0]))].length).toBeGreaterThan(12)
  })

  test.each(calls.map(({ shown, call }) => [`${placeOf(shown)} ${call.join(" ").slice(0, 80)}`, call] as const))(
    "%s",
    async (_, call) => {
      const result = await parsed(call)
      if (Result.isFailure(result)) throw new Error(result.failure)
    }
  )

  test("`bun run` is followed by a script, `bun` by a file that is there", () => {
    const wrong = allCommands.flatMap((shown) =>
      wordsOf(shown.text).flatMap(({ words }) => {
        const [program, first] = words
        if (program !== "bun" || first === undefined) return []
        if (first === "run") return Object.hasOwn(scripts, words[2] ?? "") ? [] : [`${placeOf(shown)}: ${words[2]}`]
        if (!first.endsWith(".ts") || first in givenTo(shown.page)) return []
        return existsSync(join(repository, first)) ? [] : [`${placeOf(shown)}: ${first}`]
      })
    )
    expect(wrong).toEqual([])
  })

  /** Files of the repository that are not made by what a reader runs. */
  const isThere = (name: string): boolean =>
    !/^(runs|compare|examples\/models\/smollm2|examples\/digits\/rows)\b/.test(name) &&
    existsSync(join(repository, name))

  test.each(pages.map((page) => [page]))(
    "%s: the files that they name are there, or were made before",
    async (page) => {
      const made = new Set(Object.keys(givenTo(page)))
      const isMade = (name: string) =>
        [...made].some((one) => name === one || name.startsWith(`${one}/`) || one.startsWith(`${name}/`))
      const missing: Array<string> = []
      for (const block of blocksOf(page)) {
        let folder = "" // where its `cd` has led
        for (const shown of commandsOf(block))
          for (const { words } of stepsOf(shown.text).flatMap(wordsOf)) {
            const at = (name: string) => join(folder, name)
            if (words[0] === "cd") folder = at(words[1]!)
            const call = callOf(words)
            const result = call === undefined ? undefined : await parsed(call)
            if (result !== undefined && Result.isSuccess(result))
              for (const name of readBy(result.success))
                if (!isThere(at(name)) && !isMade(at(name))) missing.push(`${placeOf(shown)}: ${name}`)
            const makes =
              result === undefined || Result.isFailure(result)
                ? madeByProgram(words)
                : madeBy(call![0]!, result.success)
            for (const name of makes) made.add(at(name))
          }
      }
      expect(missing).toEqual([])
    }
  )

  /** Commands in the middle of a sentence leave out what they are about: what is written there has to be right. */
  const inSentences = pages.flatMap((page) =>
    codeInSentences(page).flatMap(({ line, text }) => {
      const call = callOf(wordsOf(text)[0]?.words ?? [])
      return call === undefined || call.length === 0 ? [] : [[`${page}:${line} ${text}`, call] as const]
    })
  )

  test("stand in sentences too", () => {
    expect(inSentences.length).toBeGreaterThan(30)
  })

  test.each(inSentences)("%s", async (_, call) => {
    const result = await parsed(call)
    if (Result.isFailure(result))
      expect(result.failure).not.toMatch(/Unrecognized flag|Unknown subcommand|Invalid value/)
  })
})

describe("the table of what pages take for granted", () => {
  const rows = Object.entries(table)

  test("speaks of pages that are there", () => {
    expect(rows.map(([page]) => page).filter((page) => !pages.includes(page))).toEqual([])
  })

  /** A page's commands as the table calls them: with the folder that a `cd` has led to. */
  const namedIn = (page: string): ReadonlyArray<string> =>
    blocksOf(page).flatMap((block) => {
      let folder = ""
      return commandsOf(block)
        .flatMap(({ text }) => stepsOf(text))
        .map((step) => {
          const named = folder === "" ? step : `${folder}$ ${step}`
          if (step.startsWith("cd ")) folder = join(folder, step.slice(3))
          return named
        })
    })

  test.each(rows)("%s: each line speaks of something that the page has", (page, row) => {
    const named = namedIn(page)
    const stale = [row.notRun, row.shorter, row.instead, row.before].flatMap((part) =>
      Object.keys(part ?? {}).filter((start) => !named.some((command) => command.startsWith(start)))
    )
    const shown = blocksOf(page)
      .flatMap(commandsOf)
      .flatMap(({ output = [] }) => output)
    const unlike = Object.keys(row.unlike ?? {}).filter((start) => !shown.some((line) => line.startsWith(start)))
    const having = (words: string, blocks: ReadonlyArray<Block>) => blocks.filter(({ text }) => text.includes(words))
    const programs = blocksOf(page).filter(isProgram)
    const unknown = Object.keys({ ...row.programs, ...row.near }).filter(
      (words) => having(words, programs).length !== 1
    )
    const plain = blocksOf(page).filter((block) => block.language === "" && !isTerminal(block))
    const unseen = Object.keys(row.plain ?? {}).filter((words) => having(words, plain).length !== 1)
    const exact = Object.keys(row.near ?? {}).filter((words) =>
      having(words, programs).some(({ text, language }) => resultsIn(text, language).length === 0)
    )
    const text = readFileSync(join(repository, page), "utf8")
    const unnamed = Object.keys(row.given ?? {}).filter((file) => !text.includes(file) && !inGiven(row, file))
    const idle = { stale, unlike, unknown, unseen, exact, unnamed }
    expect(Object.entries(idle).filter(([, lines]) => lines.length > 0)).toEqual([])
  })

  test("what is not run has its reason, and is less than what is", () => {
    const reasons = rows.flatMap(([, { notRun = {}, plain = {}, near = {} }]) => [
      ...Object.values(notRun),
      ...Object.values(plain),
      ...Object.values(near).map(([, because]) => because)
    ])
    expect(reasons.filter((reason) => reason.split(" ").length < 3)).toEqual([])
  })
})

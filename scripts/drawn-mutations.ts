/**
 * Are the tests where a mistake could be? Draws places of the sources at random, changes each as a slip would, and runs tests over it:
 *
 *   bun scripts/drawn-mutations.ts 34              the 60 changes that the seed 34 draws from these sources
 *   bun scripts/drawn-mutations.ts 34 --run        and whether the fast part notices: first the tests of the room, then all others
 *   bun scripts/drawn-mutations.ts 34 --run 3 17   those of these numbers
 *
 * At least three changes are in each of `kinds`, `serve`, `exports` and `suggest`, one is in every other room, and the rest are wherever the
 * sources are. What survives is listed in test/README.md. The sources are copied first and changed in the copy.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createScanner } from "typescript/unstable/ast/scanner"
import { randomStream } from "../src/numbers/index.ts"
import { copyOf } from "./mutations.ts"

export interface Change {
  readonly room: string
  readonly file: string
  readonly line: number
  /** what stands from `start` to `end`, and what instead */
  readonly start: number
  readonly end: number
  readonly replacement: string
  readonly kind: "comparison" | "arithmetic" | "boolean" | "constant" | "early return"
}

type Kind = Change["kind"]

/** An operator with spaces around it, as the formatter writes them (those of types have none), and what a slip makes of it. */
const slips: Readonly<Record<string, readonly [Kind, string]>> = {
  "<": ["comparison", "<="],
  "<=": ["comparison", "<"],
  ">": ["comparison", ">="],
  ">=": ["comparison", ">"],
  "===": ["comparison", "!=="],
  "!==": ["comparison", "==="],
  "+": ["arithmetic", "-"],
  "-": ["arithmetic", "+"],
  "*": ["arithmetic", "/"],
  "/": ["arithmetic", "*"],
  "%": ["arithmetic", "*"],
  "**": ["arithmetic", "*"],
  "&&": ["boolean", "||"],
  "||": ["boolean", "&&"]
}

interface Token {
  readonly text: string
  readonly start: number
  readonly end: number
}

/** The tokens of a file: no comments, no white space, texts as one token each. */
const tokensOf = (text: string): ReadonlyArray<Token> => {
  const scanner = createScanner(true, undefined, text)
  const tokens: Array<Token> = []
  /** for every open brace, whether it is one of a template */
  const braces: Array<boolean> = []
  for (;;) {
    scanner.scan()
    let own = scanner.getTokenText()
    const before = tokens.at(-1)?.text ?? ""
    if (own === "" || scanner.getTokenStart() >= text.length) return tokens
    if ((own === "/" || own === "/=") && !/[\w$)\]}`"']$/.test(before)) scanner.reScanSlashToken()
    else if (own === ">") scanner.reScanGreaterToken()
    else if (own === "}" && braces.pop() === true) scanner.reScanTemplateToken(false)
    own = scanner.getTokenText()
    if (own === "{") braces.push(false)
    // `…${ or }…${
    else if (/^[`}]/.test(own) && own.endsWith("${")) braces.push(true)
    tokens.push({ text: own, start: scanner.getTokenStart(), end: scanner.getTokenEnd() })
  }
}

/** Where the parenthesis ends that is opened by this token. */
const closing = (tokens: ReadonlyArray<Token>, open: number): number => {
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    if (tokens[i]!.text === "(") depth++
    if (tokens[i]!.text === ")" && --depth === 0) return i
  }
  return -1
}

/** Everything in a file that a slip could change. */
const changesIn = (room: string, file: string, text: string): ReadonlyArray<Change> => {
  const tokens = tokensOf(text)
  const spaced = ({ start, end }: Token) => /\s/.test(text[start - 1]!) && /\s/.test(text[end]!)
  return tokens.flatMap((token, i): ReadonlyArray<Change> => {
    const line = text.slice(0, token.start).split("\n").length
    const at = (kind: Kind, replacement: string, end = token.end, start = token.start) => [
      { room, file, line, start, end, replacement, kind }
    ]
    // import * as …
    if (tokens[i - 1]?.text === "import" || tokens[i - 1]?.text === "export") return []
    const slip = Object.hasOwn(slips, token.text) && spaced(token) ? slips[token.text] : undefined
    if (slip !== undefined) return at(...slip)
    // one more than a large number is no slip that matters
    if (/^\d\d?$/.test(token.text)) return at("constant", String(Number(token.text) + 1))
    if (token.text === "!" && /^[\w(]/.test(text[token.end]!) && !/[\w)\]]/.test(text[token.start - 1]!))
      return at("boolean", "")
    const close = token.text === "if" ? closing(tokens, i + 1) : -1
    if (close === -1 || tokens[close + 1]?.text !== "return") return []
    return at("early return", "if (false) ", tokens[close]!.end + 1)
  })
}

/** `src/data`, `adapters`, … */
const roomsOf = (root: string): ReadonlyMap<string, ReadonlyArray<string>> => {
  const files = [...new Bun.Glob("{src,schemas,adapters}/**/*.{ts,tsx}").scanSync(root)].sort()
  // what is compiled into the binaries changes nothing before it is compiled
  const run = files.filter((file) => !file.includes("/assembly/"))
  return Map.groupBy(run, (file) => /^(src\/[^/.]+|[^/]+)\//.exec(file)![1]!)
}

const COUNT = 60
/** changes in rooms that had few tests */
const AT_LEAST: Readonly<Record<string, number>> = {
  "src/kinds": 3,
  "src/serve": 3,
  "src/exports": 3,
  "src/suggest": 3
}

/** Returns the changes for a seed, each at a different place. */
export const draw = (seed: number, root: string): ReadonlyArray<Change> => {
  const rooms = [...roomsOf(root)].map(([room, files]) => ({
    room,
    all: files.flatMap((file) => changesIn(room, file, readFileSync(join(root, file), "utf8")))
  }))
  const drawn = new Set<Change>()
  const random = randomStream(seed, "mutations")
  const take = (all: ReadonlyArray<Change>) => {
    const left = all.filter((one) => !drawn.has(one))
    if (left.length > 0) drawn.add(left[Math.floor(random() * left.length)]!)
  }
  for (const { room, all } of rooms) for (let i = 0; i < (AT_LEAST[room] ?? 1); i++) take(all)
  const everywhere = rooms.flatMap(({ all }) => all)
  while (drawn.size < COUNT) take(everywhere)
  return [...drawn]
}

const repository = join(import.meta.dir, "..")

/** Those beside the room's folder in test/, and those that import one of its files by name. */
const testsOf = ({ room }: Change): ReadonlyArray<string> =>
  [...new Bun.Glob("test/**/*.test.ts").scanSync(repository)]
    .sort()
    .filter(
      (test) => test.startsWith(`test/${room}/`) || readFileSync(join(repository, test), "utf8").includes(`../${room}/`)
    )

const notices = async (folder: string, tests: ReadonlyArray<string>): Promise<boolean> => {
  if (tests.length === 0) return false
  const flags = ["--bail", "--timeout", "60000", "--parallel=2", "--no-isolate"]
  const child = Bun.spawn([process.execPath, "test", ...flags, ...tests.map((test) => `./${test}`)], {
    cwd: folder,
    stdout: "ignore",
    stderr: "ignore"
  })
  return (await child.exited) !== 0
}

const shown = ({ file, line, kind, start, end, replacement }: Change, number: number): string => {
  const text = readFileSync(join(repository, file), "utf8")
  const found = text.slice(start, end)
  const context = text.split("\n")[line - 1]!.trim().slice(0, 110)
  return `${String(number).padStart(2)} ${file}:${line} ${kind}: ${found.replaceAll(/\s+/g, " ").slice(0, 60)} → ${replacement || "nothing"}   in ${context}`
}

if (import.meta.main) {
  const [seed = "0", ...more] = process.argv.slice(2)
  const changes = draw(Number(seed), repository)
  const wanted = more.filter((one) => /^\d+$/.test(one)).map(Number)
  const runs = more.includes("--run")
  const folder = runs ? mkdtempSync(join(tmpdir(), "mutations-")) : ""
  let survived = 0
  try {
    if (runs) copyOf(folder)
    for (const [i, change] of changes.entries()) {
      const number = i + 1
      if (wanted.length > 0 && !wanted.includes(number)) continue
      if (!runs) {
        console.log(shown(change, number))
        continue
      }
      const file = join(folder, change.file)
      const whole = readFileSync(file, "utf8")
      writeFileSync(file, whole.slice(0, change.start) + change.replacement + whole.slice(change.end))
      const own = testsOf(change)
      const others = [...new Bun.Glob("test/**/*.test.ts").scanSync(repository)].filter((test) => !own.includes(test))
      const by = (await notices(folder, own)) ? "the room's tests" : (await notices(folder, others)) ? "others" : ""
      writeFileSync(file, whole)
      if (by === "") survived++
      console.log(`${by === "" ? "SURVIVED" : `noticed by ${by}`}: ${shown(change, number)}`)
    }
  } finally {
    if (runs) rmSync(folder, { recursive: true, force: true })
  }
  if (runs) console.log(`${survived} survived`)
}

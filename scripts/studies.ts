/**
 * The tables of the studies in `bench/studies` whose raw results are there, from those results: `bun scripts/studies.ts` writes them, and a
 * test (`test/src/compare/studies.test.ts`) fails where what is committed is not what this makes.
 *
 *   bench/studies/NAME.results.json     the study and the numbers of every trial (--take FOLDER NAME makes it of a study's folder)
 *   bench/studies/NAME.md               what `compare` says of them, between two comments
 *   docs/successors.md                  a line for each method, between two comments
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { measureOf, Study, TrialResult } from "../src/compare/index.ts"
import { bare, type Measure } from "../src/compare/measure.ts"
import { judge, labelOf, markdownOf, type Verdict } from "../src/compare/verdict/index.ts"
import { number } from "../src/output/report/index.ts"

const repository = join(import.meta.dir, "..")
const folder = join(repository, "bench/studies")

const Raw = Schema.Struct({ study: Study, results: Schema.Array(TrialResult) })

/** The names of the studies with raw results. */
export const studies: ReadonlyArray<string> = readdirSync(folder)
  .filter((file) => file.endsWith(".results.json"))
  .map((file) => file.slice(0, -".results.json".length))
  .toSorted()

/** What `compare` finds in a study. */
export const verdictIn = async (name: string): Promise<Verdict> => {
  const { study, results } = Schema.decodeUnknownSync(Raw)(
    JSON.parse(readFileSync(join(folder, `${name}.results.json`), "utf8"))
  )
  return judge(study, results, labelOf, await Effect.runPromise(measureOf(study.plan)))
}

/** Columns of the table in docs/successors.md: a study, and what its tasks and ranks are called there. */
const columns = [
  ["eras-successors", "eras, r 8"],
  ["fashion-successors", "clothes, r 4"],
  ["word-problems-successors", "word problems, r 8"]
] as const

/** Methods in the order of that page; one that no study has has no line. */
const order = [
  "full",
  "lora",
  "lora-pro",
  "lora-pro-factored",
  "lora-pro-efficient",
  "lora-rite",
  "altlora-plus",
  "reflora",
  "lora-muon",
  "lora-tsd",
  "lora-one"
]

/** "0.002: 36.0 (34.3 to 37.7) ▼" */
const reached = ({ measure, final }: Verdict, method: string): string => {
  const entry = final?.entries.find((one) => one.method === method)
  if (entry?.test == null) return "–"
  const { mean, interval } = entry.test
  const within = interval === null ? "" : ` (${interval.map((end) => bare(measure, end)).join(" to ")})`
  return `${number(entry.learningRate)}: ${bare(measure, mean)}${within}${marks[entry.againstLora?.claim ?? ""] ?? ""}`
}

/** Distinguishable from LoRA, for the better and for the worse. */
const marks: Readonly<Record<string, string>> = { ahead: " ▲", behind: " ▼" }

const head = (name: string, { unit, label }: Measure): string => `${name}: rate, test ${unit === "%" ? unit : label}`

const successors = async (): Promise<string> => {
  const verdicts = await Promise.all(columns.map(([study]) => verdictIn(study)))
  const heads = columns.map(([, name], i) => head(name, verdicts[i]!.measure))
  const rows = order.map((method) => [labelOf(method), ...verdicts.map((verdict) => reached(verdict, method))])
  const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  return [line(["method", ...heads]), `|${"---|".repeat(1 + heads.length)}`, ...rows.map(line)].join("\n")
}

/** What a study's page says, without the title, which is the page's own. */
const page = async (name: string): Promise<string> =>
  markdownOf(await verdictIn(name))
    .split("\n")
    .slice(2)
    .join("\n")
    .trim()

const BEGIN = "<!-- made by scripts/studies.ts from the raw results -->"
const END = "<!-- end of what is made -->"

/** Files, and what makes what they have between the two comments. */
export const made: Readonly<Record<string, () => Promise<string>>> = {
  ...Object.fromEntries(studies.map((name) => [`bench/studies/${name}.md`, () => page(name)])),
  "docs/successors.md": successors
}

const partsOf = (file: string): readonly [before: string, between: string, after: string] => {
  const text = readFileSync(join(repository, file), "utf8")
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${file} lacks the comments ${BEGIN} and ${END}`)
  return [text.slice(0, begin + BEGIN.length), text.slice(begin + BEGIN.length, end).trim(), text.slice(end)]
}

/** What a file has between the two comments now. */
export const committed = (file: string): string => partsOf(file)[1]

/** Paths of the machine that a study ran on, without what lies above the repository. */
const near = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value), (_, one: unknown) =>
    typeof one === "string" && /^(\.\.\/|\/)/.test(one) ? one.replace(/^.*\/(examples|bench)\//, "$1/") : one
  )

const take = (from: string, name: string): void => {
  const read = (file: string) => JSON.parse(readFileSync(join(from, file), "utf8"))
  const { results, finished } = read("results.json")
  if (finished !== true) throw new Error(`${from} is not finished`)
  writeFileSync(
    join(folder, `${name}.results.json`),
    `${JSON.stringify(near({ study: read("study.json"), results }))}\n`
  )
}

if (import.meta.main) {
  const [option, from, name] = process.argv.slice(2)
  if (option === "--take" && from !== undefined && name !== undefined) take(from, name)
  else {
    for (const [file, make] of Object.entries(made)) {
      const [before, , after] = partsOf(file)
      writeFileSync(join(repository, file), `${before}\n\n${await make()}\n\n${after}`)
    }
  }
}

/**
 * The tables of the studies in `bench/studies` whose raw results are there, from those results: `bun scripts/studies.ts` writes them, and a
 * test (`test/src/compare/studies.test.ts`) fails where what is committed is not what this makes.
 *
 *   bench/studies/NAME.results.json     the study and the numbers of every trial (--take FOLDER NAME makes it of a study's folder)
 *   bench/studies/NAME.md               what `compare` says of them, between two comments
 *   README.md, docs/                    tables of several studies, each between two comments
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { scientific, score } from "../src/boundary/index.ts"
import { comparedMethods, measureOf, Study, TrialResult } from "../src/compare/index.ts"
import { bare, type Measure } from "../src/compare/measure.ts"
import { judge, labelOf, markdownOf, type Verdict } from "../src/compare/verdict/index.ts"
import { pointsOf, tableOf, withInterval } from "../src/compare/verdict/markdown.ts"
import { megabytes } from "../src/compare/verdict/sentences.ts"
import type { Entry, Table } from "../src/compare/verdict/verdict.ts"

const repository = join(import.meta.dir, "..")
const folder = join(repository, "bench/studies")

const Raw = Schema.Struct({ study: Study, results: Schema.Array(TrialResult) })

/** Names of the studies with raw results. */
export const studies: ReadonlyArray<string> = readdirSync(folder)
  .filter((file) => file.endsWith(".results.json"))
  .map((file) => file.slice(0, -".results.json".length))
  .toSorted()

/** Returns the verdict of `compare` on a study. */
export const verdictIn = async (name: string): Promise<Verdict> => {
  const { study, results } = Schema.decodeUnknownSync(Raw)(
    JSON.parse(readFileSync(join(folder, `${name}.results.json`), "utf8"))
  )
  return judge(study, results, labelOf, await Effect.runPromise(measureOf(study.plan)))
}

type Marks = (entry: Entry) => string

const signOf = (difference: Entry["againstLora"], beside: string): string =>
  difference?.claim === "ahead" ? ` ▲${beside}` : difference?.claim === "behind" ? ` ▼${beside}` : ""

/** " ▲": distinguishable from LoRA, for the better. */
const besideLora: Marks = ({ againstLora }) => signOf(againstLora, "")

/** " ▲LoRA ▼full": also from full fine-tuning. */
const besideBoth: Marks = ({ againstLora, againstFull }) => signOf(againstLora, "LoRA") + signOf(againstFull, "full")

const entryOf = (table: Table | null, method: string): Entry | undefined =>
  table?.entries.find((one) => one.method === method)

/** "36.0 (34.3 to 37.7) ▼": what a method reaches. */
const reached = (table: Table | null, measure: Measure, method: string, marks: Marks): string => {
  const entry = entryOf(table, method)
  return entry === undefined ? "–" : withInterval(measure, entry.test) + marks(entry)
}

const linesOf = (...table: Parameters<typeof tableOf>): string => tableOf(...table).join("\n")

interface Column {
  readonly study: string
  readonly head: (verdict: Verdict) => string
  readonly cell: (verdict: Verdict, method: string) => string
}

const unitOf = ({ measure: { unit, label } }: Verdict): string => (unit === "%" ? unit : label)

/** What a method reaches at the best rate of its own grid; `task`: what the study's task is called in this table. */
const atBest = (study: string, task: string, marks = besideLora): Column => ({
  study,
  head: (verdict) => `${task}: rate, test ${unitOf(verdict)}`,
  cell: ({ final, measure }, method) => {
    const entry = entryOf(final, method)
    return entry?.test == null ? "–" : `${scientific(entry.learningRate)}: ${reached(final, measure, method, marks)}`
  }
})

/** What it reaches at the rate that all have. */
const atCommon = (study: string): Column => ({
  study,
  head: ({ study: { commonRate } }) => `at ${scientific(commonRate)}`,
  cell: ({ common, measure }, method) => reached(common, measure, method, besideBoth)
})

const stateOn = (study: string, task: string): Column => ({
  study,
  head: () => `state on ${task}, MB`,
  cell: ({ final }, method) => {
    const entry = entryOf(final, method)
    return entry === undefined ? "–" : megabytes(entry.stateBytes)
  }
})

/** A line for each method that some study has, in the order in which `compare` lists them. */
const byMethod = async (columns: ReadonlyArray<Column>): Promise<string> => {
  const verdicts = await Promise.all(columns.map(({ study }) => verdictIn(study)))
  const methods = Object.keys(comparedMethods).filter((one) =>
    verdicts.some(({ study }) => study.methods.includes(one))
  )
  return linesOf(
    ["method", ...columns.map(({ head }, i) => head(verdicts[i]!))],
    methods.map((method) => [labelOf(method), ...columns.map(({ cell }, i) => cell(verdicts[i]!, method))])
  )
}

/** README's table: what three methods reach, a line for each study. */
const inShort = async (
  rows: ReadonlyArray<readonly [study: string, stage: "final" | "common", task: string]>
): Promise<string> => {
  const methods = ["lora", "lora-pro", "full"]
  const lines = rows.map(async ([study, stage, task]) => {
    const verdict = await verdictIn(study)
    return [task, ...methods.map((method) => reached(verdict[stage], verdict.measure, method, besideLora))]
  })
  return linesOf(
    ["test accuracy, % (95 % interval; ▲ ▼: distinguishable from LoRA)", ...methods.map(labelOf)],
    await Promise.all(lines)
  )
}

/** Each seed's value, and the sweep that chose the rate. */
const bySeed = async (study: string): Promise<string> => {
  const { final, sweeps, measure, results } = await verdictIn(study)
  const entries = final?.entries ?? []
  return linesOf(
    [
      "method",
      "rate",
      `test ${measure.label} of each seed, ${measure.unit}`,
      "mean",
      "test loss",
      "validation loss at each rate"
    ],
    entries.map(({ method, name, learningRate, test, testLoss }) => [
      name,
      scientific(learningRate),
      results
        .filter(({ trial }) => trial.stage === "final" && trial.method === method)
        .toSorted((a, b) => a.trial.seed - b.trial.seed)
        .map((one) => bare(measure, one.test?.[measure.name] ?? Number.NaN))
        .join(", "),
      test === null ? "–" : bare(measure, test.mean),
      score(testLoss?.mean),
      sweeps
        .filter((one) => one.method === method)
        .map(pointsOf)
        .join()
    ])
  )
}

/** What a study's page says, without the title, which is the page's own. */
const page = async (name: string): Promise<string> =>
  markdownOf(await verdictIn(name))
    .split("\n")
    .slice(2)
    .join("\n")
    .trim()

/** Generators of the parts of each file. */
export const made: Readonly<Record<string, Readonly<Record<string, () => Promise<string>>>>> = {
  ...Object.fromEntries(studies.map((name) => [`bench/studies/${name}.md`, { study: () => page(name) }])),
  "docs/successors.md": {
    "digits and movies": () =>
      byMethod([
        atBest("digits-turned", "digits turned, r 4"),
        atBest("digits-inverted", "digits inverted, r 4"),
        atBest("movies-successors", "movie sentences, r 8"),
        stateOn("movies-successors", "movies")
      ]),
    "three more": () =>
      byMethod([
        atBest("eras-successors", "eras, r 8"),
        atBest("fashion-successors", "clothes, r 4"),
        atBest("word-problems-successors", "word problems, r 8")
      ])
  },
  "docs/methods.md": {
    results: () =>
      byMethod([
        atBest("movies", "1,500 movie sentences", besideBoth),
        atCommon("movies"),
        atBest("movies-64", "64 of them", besideBoth),
        atCommon("movies-64")
      ])
  },
  "docs/paper.md": { pairs: () => bySeed("paper-pairs") },
  "README.md": {
    reached: () =>
      inShort([
        ["movies", "common", "movie sentences, all at 1e-4 ([methods](docs/methods.md#results-here))"],
        [
          "movies-successors",
          "final",
          "movie sentences, each at its best rate ([successors](docs/successors.md#what-they-reach))"
        ],
        ["paper-pairs", "final", "sentence pairs, each at its best rate ([paper](docs/paper.md#the-table-small))"],
        [
          "digits-turned",
          "final",
          "digits turned by 90°, each at its best rate ([successors](docs/successors.md#what-they-reach))"
        ],
        [
          "fashion-successors",
          "final",
          "pictures of clothes, each at its best rate ([successors](docs/successors.md#what-they-reach))"
        ]
      ])
  }
}

const END = "<!-- end of what is made -->"
const beginOf = (part: string): string => `<!-- made by scripts/studies.ts from the raw results: ${part} -->`

interface Place {
  readonly before: string
  readonly between: string
  readonly after: string
}

const placeIn = (file: string, text: string, part: string): Place => {
  const begin = beginOf(part)
  const at = text.indexOf(begin)
  const end = text.indexOf(END, at)
  if (at < 0 || end < 0) throw new Error(`${file} lacks the comments ${begin} and ${END}`)
  const from = at + begin.length
  return { before: text.slice(0, from), between: text.slice(from, end).trim(), after: text.slice(end) }
}

const textOf = (file: string): string => readFileSync(join(repository, file), "utf8")

/** Returns the current text of a part of a file. */
export const committed = (file: string, part: string): string => placeIn(file, textOf(file), part).between

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
    for (const [file, parts] of Object.entries(made)) {
      let text = textOf(file)
      for (const [part, make] of Object.entries(parts)) {
        const { before, after } = placeIn(file, text, part)
        text = `${before}\n${await make()}\n${after}`
      }
      writeFileSync(join(repository, file), text)
    }
  }
}

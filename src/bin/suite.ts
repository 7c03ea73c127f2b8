/** `evaluate RUN --suite NAME`: asks a trained language model and its base model the rows of a suite. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { counted, number, percent } from "../boundary/index.ts"
import { Progress } from "../run/index.ts"
import { openRecord, type RowMean, readSuite, scorers } from "../scoring/index.ts"
import { confinedPrograms } from "../scoring/programs/confined.ts"
import {
  loadCausalRun,
  runSuite,
  type SuiteMetric,
  type SuiteReport,
  SuiteText,
  suiteIdentity
} from "../trained/index.ts"
import type { evaluateFlags, Given } from "./flags.ts"
import { print, printJson, userError } from "./output.ts"
import { onFirstRank } from "./ranks.ts"
import { oneLine } from "./writing.ts"

type SuiteFlags = Pick<
  Given<typeof evaluateFlags>,
  "rows" | "shots" | "samples" | "temperature" | "seed" | "record" | "base" | "maxTokens" | "data" | "json"
>

export const evaluateSuite = (directory: string, nameOrFile: string, flags: SuiteFlags) =>
  Effect.gen(function* () {
    const suite = yield* readSuite(nameOrFile)
    const [samples, temperature] = [
      Option.getOrElse(flags.samples, () => 1),
      Option.getOrElse(flags.temperature, () => 0)
    ]
    if (samples > 1 && temperature === 0) {
      return yield* userError(
        `found --samples ${samples} without --temperature; add --temperature 0.8, for example: at temperature 0 all samples of a row are the same`
      )
    }
    const run = yield* loadCausalRun(directory, { base: Option.getOrUndefined(flags.base) })
    const record = Option.isNone(flags.record)
      ? undefined
      : {
          texts: yield* openRecord(flags.record.value, SuiteText),
          identity: yield* suiteIdentity(directory, run)
        }
    const tell = yield* Progress
    const report: SuiteReport = yield* runSuite(run, suite, {
      rows: Option.getOrUndefined(flags.rows),
      file: Option.getOrUndefined(flags.data),
      shots: Option.getOrUndefined(flags.shots),
      samples,
      temperature,
      seed: Option.getOrElse(flags.seed, () => 0),
      maxNewTokens: Option.getOrUndefined(flags.maxTokens),
      record,
      done: (rows, of) => tell({ kind: "evaluating", split: suite.name, rows, of })
    }).pipe(Effect.provide(confinedPrograms()))
    yield* onFirstRank(flags.json ? printJson(report) : print(suiteText(report, scorers[suite.scorer].metrics)))
  })

/** Maximum number of wrong answers to print. */
const SHOWN = 3

const suiteText = (
  { suite, rows, shots, samples, metrics, answers }: SuiteReport,
  meanings: { readonly [metric: string]: string }
): string => {
  const names = Object.keys(metrics)
  const width = Math.max(...names.map((name) => name.length))
  const [first] = names
  const wrong = answers.filter(({ model, scores }) => model === "adapter" && scores[first!]! < 1)
  const shown = wrong
    .slice(0, SHOWN)
    .flatMap(({ where, text, expected }) => [
      `  ${where}`,
      `    wrote     ${oneLine(text)}`,
      `    expected  ${oneLine(expected)}`
    ])
  const more = wrong.length > SHOWN ? [`  and ${wrong.length - SHOWN} more`] : []
  return [
    `${suite}: ${counted(rows, "row")}, ${counted(shots, "solved row")} before each, ${counted(samples, "answer")} to each, with 95 % intervals over the rows`,
    ...names.flatMap((name) => [
      `  ${name.padEnd(width)}  ${lineOf(metrics[name]!)}`,
      ...(Object.hasOwn(meanings, name) ? [`  ${"".padEnd(width)}  ${meanings[name]}`] : [])
    ]),
    ...(wrong.length === 0 ? [] : ["Wrong answers of the adapter:", ...shown, ...more])
  ].join("\n")
}

const lineOf = ({ adapter, base, difference }: SuiteMetric): string =>
  `adapter ${shareOf(adapter)}   base model ${shareOf(base)}   difference ${pointsOf(difference)}`

const shareOf = ({ mean, low, high }: RowMean): string => `${percent(mean)} (${percent(low)} to ${percent(high)})`

const pointsOf = ({ mean, low, high }: RowMean): string => {
  const points = (share: number) => `${share > 0 ? "+" : ""}${number(100 * share, 1)}`
  return `${points(mean)} points (${points(low)} to ${points(high)})`
}

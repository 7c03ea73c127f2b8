/** `evaluate RUN`: evaluates the trained model on its splits, or on other rows of the same form. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { percent } from "../boundary/index.ts"
import type { ToolCall } from "../data/causal/index.ts"
import { Device } from "../device/index.ts"
import { readJsonFile } from "../files/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import { Progress, spokenByFirst } from "../run/index.ts"
import { type Column, type Columns, columnDescriptions, columnNames, flagOf } from "../suggest/columns.ts"
import {
  type CallCounts,
  evaluateGenerated,
  evaluateRun,
  exactMatch,
  finalNumber,
  type GeneratedReport,
  isAdapter,
  type LoadedRun,
  loadCausalRun,
  loadTrained,
  type TypedCounts
} from "../trained/index.ts"
import { scoresText } from "../training/index.ts"
import type { evaluateFlags, Given } from "./flags.ts"
import { print, printJson, screen, userError } from "./output.ts"
import { onFirstRank, onRanks } from "./ranks.ts"
import { evaluateSuite } from "./suite.ts"
import { evaluationLine, terminalListener } from "./terminal.ts"
import { callLine, oneLine } from "./writing.ts"

export const evaluate = ({
  run: directory,
  data,
  generate,
  match,
  schema,
  constrained,
  baseOnly,
  suite,
  rows,
  shots,
  samples,
  temperature,
  seed,
  record,
  maxTokens,
  base,
  device,
  threads,
  json,
  ...named
}: Given<typeof evaluateFlags>) =>
  Effect.gen(function* () {
    const suiteFlags = { rows, shots, samples, temperature, seed, record }
    const generateFlags = { match, schema, constrained, baseOnly }
    const file = Option.getOrUndefined(data)
    const path = yield* Path.Path
    const fileName = file === undefined ? undefined : path.basename(file)
    const rowsOf = file === undefined ? {} : { data: file }
    const columns: Columns = Object.fromEntries(
      columnNames.flatMap((name) => Option.match(named[name], { onNone: () => [], onSome: (value) => [[name, value]] }))
    )
    if (Option.isSome(suite)) {
      const others = [...(generate ? ["--generate"] : []), ...set(generateFlags), ...set(named)]
      if (others.length > 0) {
        return yield* userError(
          `found ${others.join(", ")} with --suite, which determines the questions and their scoring: remove them`
        )
      }
      const options = { ...suiteFlags, base, maxTokens, data, json }
      return yield* evaluateSuite(directory, suite.value, options)
    }
    if (set(suiteFlags).length > 0) {
      return yield* userError(
        `found ${set(suiteFlags).join(", ")} without --suite; add --suite NAME or a suite's file, since only suites have them`
      )
    }
    const foreign = yield* isAdapter(directory)
    if (foreign && file === undefined) {
      yield* userError(
        `${directory} is an adapter without a run, so it has no rows: pass rows to evaluate it on with --data FILE`
      )
    }
    if (!foreign && Object.keys(columns).length > 0) {
      yield* userError(`${directory} is a run, whose plan already names the columns of --data: remove the column flags`)
    }
    const from = {
      base: Option.getOrUndefined(base),
      rows: foreign && file !== undefined ? { file, columns } : undefined
    }
    if (generate) {
      const run = yield* loadCausalRun(directory, from)
      const allowed = Option.isNone(schema) ? {} : { schema: yield* readJsonFile(schema.value) }
      const score = Option.match(match, { onNone: () => ({}), onSome: (name) => ({ score: matches[name] }) })
      const options = {
        file,
        ...score,
        ...allowed,
        constrained,
        base: baseOnly,
        maxNewTokens: Option.getOrElse(maxTokens, () => MAX_TOKENS)
      }
      for (const report of yield* evaluateGenerated(run, options)) {
        yield* onFirstRank(
          json ? printJson({ ...report, ...rowsOf }) : print(answersText(report, fileName ?? report.split))
        )
      }
      return
    }
    const withoutEffect = set(generateFlags)
    if (withoutEffect.length > 0) {
      return yield* userError(
        `found ${withoutEffect.join(", ")} without --generate; add --generate, since only generated answers are judged this way`
      )
    }
    const run = yield* loadTrained(directory, from)
    const reports = yield* evaluateRun(run, file)
    if (reports.length === 0)
      return yield* userError(
        `${directory} has neither a validation nor a test split; pass rows to evaluate it on with --data FILE`
      )
    for (const report of reports) {
      yield* onFirstRank(json ? printJson({ ...report, ...rowsOf }) : print(evaluationText(run, report, fileName)))
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    spokenByFirst,
    Effect.provideService(Progress, terminalListener(screen)),
    onRanks
  )

/** Returns the flags that were set, as typed on the command line. */
const set = (flags: { readonly [name: string]: boolean | Option.Option<unknown> }): ReadonlyArray<string> =>
  Object.entries(flags).flatMap(([name, value]) =>
    value === true || (value !== false && Option.isSome(value)) ? [flagText(name)] : []
  )

const flagText = (name: string): string =>
  `--${Object.hasOwn(columnDescriptions, name) ? flagOf(name as Column) : name.replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`

/** Tokens of a generated answer without a suite. */
const MAX_TOKENS = 128

/** Metrics of `--match`. */
const matches = { exact: exactMatch, number: finalNumber } as const

/** Maximum number of wrong answers to print. */
const SHOWN = 5

const answersText = ({ rows, score, answers, calls, typed }: GeneratedReport, rowsName: string): string => {
  const wrong = answers.filter((answer) => answer.score < 1)
  const shownAnswers = wrong
    .slice(0, SHOWN)
    .flatMap(({ where, text, expected, expectedCalls: calls }) => [
      `  ${where}`,
      `    wrote     ${oneLine(text)}`,
      `    expected  ${expectedText(expected, calls)}`
    ])
  const more = wrong.length > SHOWN ? [`  and ${wrong.length - SHOWN} more`] : []
  const right = rows - wrong.length
  return [
    `${rowsName}: ${right} of ${rows} answers are right (${percent(score)})`,
    ...(calls === undefined ? [] : [callsText(calls)]),
    ...(typed === undefined ? [] : [typedText(typed)]),
    ...shownAnswers,
    ...more
  ].join("\n")
}

const expectedText = (text: string, calls: ReadonlyArray<ToolCall> = []): string =>
  [oneLine(text), ...calls.map((call) => callLine(call).trim())].filter((part) => part !== "").join(" ")

const callsText = (counts: CallCounts): string => {
  const { expected, others, right, wrongNames, wrongArguments, malformed, missing, uninvited } = counts
  const wrong = [
    [wrongNames, "with wrong names"],
    [wrongArguments, "with wrong arguments"],
    [malformed, "malformed"],
    [missing, "without a call"]
  ] as const
  const wrongCounts = wrong.flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]))
  const share = expected === 0 ? "" : ` (${percent(right / expected)})`
  const calls = `  calls: ${right} of ${expected} right${share}${wrongCounts.length === 0 ? "" : `; ${wrongCounts.join(", ")}`}`
  return others === 0 ? calls : `${calls}; ${uninvited} of ${others} answers that needed no call made one`
}

const typedText = ({ answers, decoded, equal }: TypedCounts): string =>
  `  values: ${decoded} of ${answers} match the schema (${percent(decoded / answers)}), ${equal} equal the expected value (${percent(equal / answers)})`

const evaluationText = (
  { kind, labels }: LoadedRun,
  report: EvaluationReport,
  rowsName: string = report.split
): string =>
  kind.details?.(labels, report) ?? evaluationLine({ ...report, split: rowsName }, scoresText(kind.metrics, report))

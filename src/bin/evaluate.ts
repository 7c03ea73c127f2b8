/** `evaluate RUN`: the trained model on its splits, or on other rows of the same form. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { Device } from "../device/index.ts"
import type { EvaluationReport } from "../output/index.ts"
import { Progress, spokenByFirst } from "../run/index.ts"
import { type Columns, columnNames } from "../suggest/columns.ts"
import {
  evaluateGenerated,
  evaluateRun,
  exactMatch,
  finalNumber,
  type GeneratedReport,
  isAdapter,
  type LoadedRun,
  loadCausalRun,
  loadTrained
} from "../trained/index.ts"
import { scoresText } from "../training/index.ts"
import type { evaluateFlags, Given } from "./flags.ts"
import { print, printJson, screen } from "./output.ts"
import { onRanks, spoken } from "./ranks.ts"
import { evaluationLine, terminalListener } from "./terminal.ts"
import { userError } from "./user-error.ts"

export const evaluate = ({
  run: directory,
  data,
  generate,
  match,
  maxTokens,
  base,
  device,
  threads,
  json,
  ...named
}: Given<typeof evaluateFlags>) =>
  Effect.gen(function* () {
    const file = Option.getOrUndefined(data)
    const path = yield* Path.Path
    const called = file === undefined ? undefined : path.basename(file)
    const rowsOf = file === undefined ? {} : { data: file }
    const columns: Columns = Object.fromEntries(
      columnNames.flatMap((name) => Option.match(named[name], { onNone: () => [], onSome: (value) => [[name, value]] }))
    )
    const foreign = yield* isAdapter(directory)
    if (foreign && file === undefined) {
      yield* userError(`${directory} is an adapter, which came without rows: expected --data FILE to evaluate it on`)
    }
    if (!foreign && Object.keys(columns).length > 0) {
      yield* userError(`${directory} is a run, whose plan names the columns of --data: expected no column here`)
    }
    const from = {
      base: Option.getOrUndefined(base),
      rows: foreign && file !== undefined ? { file, columns } : undefined
    }
    if (generate) {
      const run = yield* loadCausalRun(directory, from)
      const score = Option.getOrUndefined(match) === "number" ? finalNumber : exactMatch
      const options = { file, score, maxNewTokens: maxTokens }
      for (const report of yield* evaluateGenerated(run, options)) {
        yield* spoken(json ? printJson({ ...report, ...rowsOf }) : print(answersText(report, called ?? report.split)))
      }
      return
    }
    if (Option.isSome(match))
      return yield* userError(
        "--match is for --generate: it says which of the written answers are right; expected --generate with it"
      )
    const run = yield* loadTrained(directory, from)
    const reports = yield* evaluateRun(run, file)
    if (reports.length === 0)
      return yield* userError(
        `${directory} has neither a validation nor a test split; expected --data FILE, the rows to evaluate it on`
      )
    for (const report of reports) {
      yield* spoken(json ? printJson({ ...report, ...rowsOf }) : print(evaluationText(run, report, called)))
    }
  }).pipe(
    Effect.scoped,
    Effect.provide(Device.layer(device, { threads })),
    spokenByFirst,
    Effect.provideService(Progress, terminalListener(screen)),
    onRanks
  )

/** Wrong answers that are shown. */
const SHOWN = 5

const answersText = ({ rows, score, answers }: GeneratedReport, called: string): string => {
  const wrong = answers.filter((answer) => answer.score < 1)
  const shown = wrong
    .slice(0, SHOWN)
    .flatMap(({ where, text, expected }) => [
      `  ${where}`,
      `    wrote     ${text.trim()}`,
      `    expected  ${expected.trim()}`
    ])
  const more = wrong.length > SHOWN ? [`  and ${wrong.length - SHOWN} more`] : []
  const right = rows - wrong.length
  return [`${called}: ${right} of ${rows} answers are right (${(100 * score).toFixed(1)} %)`, ...shown, ...more].join(
    "\n"
  )
}

const evaluationText = ({ kind, labels }: LoadedRun, report: EvaluationReport, called: string = report.split): string =>
  kind.details?.(labels, report) ?? evaluationLine({ ...report, split: called }, scoresText(kind.metrics, report))

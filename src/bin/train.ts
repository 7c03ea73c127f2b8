/** `train [PLAN]`: trains a model by a plan. */

import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { factsOfInit } from "../../schemas/index.ts"
import { byteSize, capital, counted, duration, percent, printable, shellWord, wholeNumber } from "../boundary/index.ts"
import { Device } from "../device/index.ts"
import { isThere } from "../files/index.ts"
import { kindOf, type Publisher, type RunKind, resolvePlan } from "../kinds/index.ts"
import {
  baselineText,
  checkFree,
  checkpointText,
  type EvaluationReport,
  type RunReport,
  runFolder,
  shortfallText,
  stoppedText,
  warningTexts
} from "../output/index.ts"
import { command } from "../output/invocation.ts"
import { fromOf, type PlanFile, type ResolvedPlan, readPlan } from "../plan/index.ts"
import { onFirst, Ranks } from "../ranks/index.ts"
import { checkAskedAlike, type Listener, Progress, planDifferences } from "../run/index.ts"
import { train as trained } from "../train.ts"
import { formatMetric, scoreOf, scoresText } from "../training/index.ts"
import { embedded } from "./embedded.ts"
import type { Given, trainFlags } from "./flags.ts"
import { colourOf, painted, printColoured, printJson, screen, userError } from "./output.ts"
import { onFirstRank, onRanks, threadsOfRank } from "./ranks.ts"
import { terminalListener } from "./terminal.ts"

/** The bundled default plan. */
const defaultPlan = Effect.map(Path.Path, (path) => path.relative(process.cwd(), embedded.plan))

const resumeAlone = userError("--resume RUN uses the plan.json and the folder of that run; remove the plan and --out")

/** Returns the plan of a run folder to resume. */
const planOf = (directory: string) =>
  Effect.gen(function* () {
    const { plan } = yield* runFolder(directory)
    if (yield* isThere(plan)) return plan
    return yield* userError(`${directory} is not a run folder: it has no plan.json; expected one such as runs/<name>-1`)
  })

/** Returns the listener of this process: on several ranks, only the first one prints. */
const listener = Effect.map(Ranks, ({ rank }): Listener => (rank === 0 ? terminalListener(screen) : () => Effect.void))

/** Returns the run's name for a run folder's own plan, which is called plan.json. */
const nameOf = (file: string, name: string) =>
  Effect.map(Path.Path, (path) => (name === "plan" ? path.basename(path.dirname(path.resolve(file))) : name))

/** Returns what this rank was asked to do differently from the first; a plan that is not on its machine is the first one's. */
const askedOtherwise = (
  first: Pick<PlanFile, "plan"> & { readonly [name in "file" | "resume"]?: string | undefined },
  planFlag: Option.Option<string>,
  set: ReadonlyArray<string>,
  resume: string | undefined
) =>
  Effect.gen(function* () {
    const startOf = (run: string | undefined) => (run === undefined ? "a new run" : `--resume ${run}`)
    if (resume !== first.resume) return [`it was started with ${startOf(resume)}, rank 0 with ${startOf(first.resume)}`]
    if (resume !== undefined) return []
    const file = Option.getOrUndefined(planFlag)
    const planPath = file ?? (yield* defaultPlan)
    if (file === first.file && !(yield* isThere(planPath))) return []
    return yield* readPlan(planPath, set).pipe(
      Effect.match({
        onSuccess: ({ plan }) => planDifferences(first.plan, plan).map((difference) => `${planPath}: ${difference}`),
        onFailure: ({ message }) => [message]
      })
    )
  })

export const train = ({
  plan: planFlag,
  set,
  device,
  threads,
  out,
  resume: resumed,
  mixedDevices,
  verbose,
  json
}: Given<typeof trainFlags>) =>
  Effect.gen(function* () {
    const resume = Option.getOrUndefined(resumed)
    if (resume !== undefined && (Option.isSome(planFlag) || Option.isSome(out))) return yield* resumeAlone
    const { rank, size, barrier } = yield* Ranks
    const tell = yield* Progress
    // in one process only: the files may change in between, and an existing run folder may be this run's
    const first = yield* onFirst(
      Effect.gen(function* () {
        const file = resume === undefined ? Option.getOrElse(planFlag, () => undefined) : yield* planOf(resume)
        const read = yield* readPlan(file ?? (yield* defaultPlan), set, { ofRun: resume !== undefined })
        const directory = Option.getOrUndefined(out) ?? read.plan.output.directory
        if (resume === undefined) yield* checkFree(directory)
        return { ...read, file, directory, resume }
      })
    )
    yield* checkAskedAlike(rank === 0 ? [] : yield* askedOtherwise(first, planFlag, set, resume))
    const { file, plan, name, directory } = first
    const early = Effect.onInterrupt(() => tell({ kind: "notice", message: "interrupted before training began" }))
    const kind = yield* kindOf(plan)
    const resolved = yield* resolvePlan(kind, plan, yield* nameOf(file ?? name, name), size).pipe(early)
    yield* Effect.forEach(openingLines(kind, resolved), (message) => tell({ kind: "notice", message }))
    const opened = yield* Layer.build(
      Device.layer(device, {
        threads: Option.getOrElse(threads, () => threadsOfRank(plan.training.threads)),
        deterministic: plan.training.deterministic
      })
    ).pipe(early)
    const report = yield* Effect.gen(function* () {
      const { notice, ...description } = (yield* Device).describe()
      yield* tell({ kind: "notice", message: `device: ${deviceLine(description)}` })
      if (notice !== undefined) yield* tell({ kind: "notice", message: `note: ${notice}` })
      return yield* trained(resolved, { directory, resume, mixedDevices })
    }).pipe(Effect.provide(opened))
    // a pending error of another rank replaces a successful end
    yield* barrier
    const publisher = yield* Effect.promise(kind.publisher)
    const closing = () => painting(kind, report, closingLines(kind, publisher, report, resolved, verbose))
    yield* onFirstRank(json ? printJson(report) : printColoured(closing()))
  }).pipe(
    Effect.scoped,
    Effect.provideServiceEffect(Progress, listener),
    onRanks,
    Effect.tapError((error) => (json ? Effect.ignore(onFirstRank(printJson(failure(error)))) : Effect.void))
  )

/** Formats an error for programs, with its tag, which distinguishes a diverged run from a full disk. */
const failure = (error: { readonly _tag: string; readonly message: string }) => ({
  ok: false,
  error: error._tag,
  message: error.message
})

const openingLines = (
  { words }: RunKind,
  { name, model, selected, trainable, steps, plan, warnings }: ResolvedPlan
) => {
  const share = percent(trainable.total / (trainable.frozen + trainable.total))
  const head = model.head.parameters.length > 0 ? " and the head" : ""
  const layers = selected.sites.length
  const what = layers === 0 ? "only the head" : `${counted(layers, "linear layer")}${head}`
  const rows = plan.training.batchSize * plan.training.accumulate
  return [
    `${name}: ${what} of ${words.modelName(model)}, ${wholeNumber(trainable.total)} trainable parameters (${share}), ${counted(steps, "step")} of ${counted(rows, "row")}`,
    ...warnings.map((warning) => `warning: ${warning}`)
  ]
}

const deviceLine = (description: Readonly<Record<string, unknown>>): string =>
  Object.entries(description)
    .filter(([, value]) => value !== undefined && typeof value !== "object")
    .map(([key, value]) => (key === "backend" ? `${value}` : `${key} ${value}`))
    .join(", ")

/** Formats a gain: "accuracy 50.0 % → 88.3 %, loss 0.693 → 0.312". */
const gainedText = ({ metrics, headline }: RunKind, before: EvaluationReport, after: EvaluationReport): string =>
  [...new Set([headline[0], "loss"])]
    .map((name) => {
      const metric = metrics[name]!
      return `${metric.label} ${formatMetric(metric, scoreOf(before, name))} → ${formatMetric(metric, scoreOf(after, name))}`
    })
    .join(", ")

/** Checks whether the kind's own metric is better after training than before. */
const isBetter = ({ metrics, headline }: RunKind, { before, after }: RunReport): boolean => {
  const { better } = metrics[headline[0]]!
  if (before === null || after === null || better === null) return false
  const [was, is] = [scoreOf(before, headline[0]), scoreOf(after, headline[0])]
  if (was === null || is === null) return false
  return better === "higher" ? is > was : is < was
}

const GAINED = "Gained on"

/** Maximum number of lines at the end, without `--verbose`. */
const MOST = 6

/** A line of the final output with its importance among six; 0: only in the report. */
type Line = readonly [matters: number, text: string]

const mostTelling = (lines: ReadonlyArray<Line>): ReadonlyArray<Line> => {
  const ranked = lines.filter(([matters]) => matters > 0).toSorted(([a], [b]) => b - a)
  return lines.filter((line) => ranked.slice(0, MOST).includes(line))
}

/** Formats the gain: on the same rows before and after, and on all rows if these were the first of a split. */
const gainedLines = (kind: RunKind, report: RunReport, untrained: string): ReadonlyArray<Line> => {
  const { before, after, validation, test, baseline } = report
  const final = test ?? validation
  if (before === null || after === null || final === null)
    return [[8, "The plan has neither data.validation nor data.test, so the gain is unknown."]]
  const all = before.rows === final.rows
  const nothing = baseline[final.split]
  const shortfall = shortfallText(kind, report)
  return [
    [
      8,
      `${GAINED} ${before.split}: ${gainedText(kind, before, after)} (${all ? "" : "the first "}${counted(before.rows, "row")})`
    ],
    [0, `  (from ${untrained} to the trained model).`],
    ...(all ? [] : [[3, `On all ${counted(final.rows, "row")}: ${scoresText(kind.metrics, final)}.`] as const]),
    ...(shortfall === null ? [] : [[4.5, shortfall] as const]),
    ...(nothing === null ? [] : [[4, `${baselineText(kind.metrics, nothing)}.`] as const])
  ]
}

const firstOf = (warnings: ReadonlyArray<string>): ReadonlyArray<string> =>
  warnings.length <= 3
    ? warnings
    : [...warnings.slice(0, 2), `and ${counted(warnings.length - 2, "more warning")}, in report.html`]

const closingLines = (
  kind: RunKind,
  publisher: Publisher,
  report: RunReport,
  { model, plan }: ResolvedPlan,
  verbose: boolean
): ReadonlyArray<string> => {
  const { seconds, peakBytes, directory, adapter, stopped, kept, steps } = report
  const { adapter: section } = plan
  const away = "init" in section && !factsOfInit(section.init).startsAsBase.holds
  const step = away ? ` after the first step, taken by init "${section.init.kind}"` : ""
  const untrained =
    fromOf(plan) === undefined ? `${kind.words.untrained(model)}${step}` : "the adapter that training started from"
  const reader = publisher.readerOf(plan)
  const read = reader === null ? "" : ` in ${reader} format`
  const warnings = warningTexts(kind, report).map((warning) => `warning: ${warning}`)
  const lines: ReadonlyArray<Line> = [
    ...gainedLines(kind, report, untrained),
    ...(verbose ? warnings : firstOf(warnings)).map((warning) => [9, warning] as const),
    ...(stopped === null ? [] : [[1, `${capital(stoppedText(kind.metrics, stopped, report))}.`] as const]),
    [5, `Saved ${kept === null ? `the last checkpoint, step ${steps}` : checkpointText(kind.metrics, kept, report)}.`],
    [0, `${counted(steps, "step")} in ${duration(seconds)} of training; peak memory ${byteSize(peakBytes)}.`],
    [
      6,
      `Everything is in ${directory}/: plan.json, metrics.jsonl, run.json, report.html, and ${adapter.slice(directory.length + 1)}/ with the trained weights${read}.`
    ],
    ...nextLines(kind, publisher, report, plan)
  ]
  return ["", ...(verbose ? lines : mostTelling(lines)).map(([, text]) => text)]
}

/** Returns commands that use the result. */
const nextLines = (
  kind: RunKind,
  { served }: Publisher,
  { directory }: RunReport,
  plan: ResolvedPlan["plan"]
): ReadonlyArray<Line> => {
  const run = shellWord(directory)
  const exported = typeof served === "string" ? `merge ${run}` : `export ${run} --format onnx`
  return [
    [7, `Try it: ${command(kind.next(plan, run))}`],
    [0, `Evaluate it on other rows: ${command(`evaluate ${run} --data FILE`)}`],
    [0, `Use it elsewhere: ${command(exported)}`],
    [0, `See its curves and mistakes: ${directory}/report.html, in a browser`]
  ]
}

/** Colours the gain green on stdout. */
const painting = (kind: RunKind, report: RunReport, lines: ReadonlyArray<string>): string =>
  lines
    .map((line) => {
      const text = printable(line)
      if (line.startsWith(GAINED) && isBetter(kind, report)) return painted(text, "green", "stdout")
      const colour = colourOf(line)
      return colour === undefined ? text : painted(text, colour, "stdout")
    })
    .join("\n")

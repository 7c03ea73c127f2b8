/**
 * The story: a resolved plan becomes a run folder with an adapter and the numbers that say what it gained.
 *
 *   plan.json ─decode→ RunPlan ─resolve→ ResolvedPlan ─train→ adapter/, metrics.jsonl, RunReport
 *
 * The parts it composes are the ones that a pipeline in code composes (`examples/pipelines/`). Of several processes each goes through
 * all of it, and the first alone has the run folder (`run/first-rank.ts`).
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { Adapted } from "../adapters/index.ts"
import { isDecided } from "../schemas/index.ts"
import { counted } from "./boundary/index.ts"
import { Device, ofDevice } from "./device/device.ts"
import type { DeviceError } from "./device/index.ts"
import { within } from "./files/index.ts"
import type { Sources } from "./hub/hub.ts"
import { type LoadedKind, loadKind } from "./kinds/index.ts"
import type { Network } from "./models/index.ts"
import {
  CheckpointMisfit,
  continueRun,
  type FoundRun,
  findRun,
  finishRun,
  isAsReported,
  openCheckpoints,
  openRun,
  type Run,
  type RunFolder,
  type RunReport,
  removeCheckpoints,
  restoreCheckpoint,
  restoreTrainedOf,
  stoppedText,
  unchangedBase
} from "./output/index.ts"
import { fromOf, injectToRestore, type ResolvedPlan, withDecided, withRecorded } from "./plan/index.ts"
import { onFirst } from "./ranks/index.ts"
import {
  adaptPlan,
  baselinesOf,
  checkAlike,
  chooseState,
  type DecidedRate,
  decideRate,
  evaluatorOf,
  foundByFirst,
  loadPlanModel,
  lookAtThird,
  notice,
  openedByFirst,
  openPlanSession,
  Progress,
  presentRun,
  reasonOf,
  savedOnFailure,
  spokenByFirst,
  stepRecordOf,
  stepsOfPlan,
  warn,
  warningsOf
} from "./run/index.ts"
import { type DiagnosticsReport, type Session, type StepReport, sharedState } from "./training/index.ts"

export interface TrainOptions {
  /** the run folder, which must not exist; absent: a fresh `runs/<plan name>-<n>` */
  readonly directory?: string | undefined
  /** an interrupted run's folder, to continue */
  readonly resume?: string | undefined
  /** ranks may compute on different devices, whose numbers differ in their last digits */
  readonly mixedDevices?: boolean | undefined
}

/**
 * Trains a resolved plan, from its model and rows to a run folder with adapter, metrics, checkpoints and report;
 * `resume` continues a run. Ends with the run's report. Progress goes to the service `Progress`; a tracer of effect sees the span `train` and
 * in it `load`, `inject`, `steps`, `evaluate` and `save`.
 */
export const train = (resolved: ResolvedPlan, { directory, resume, mixedDevices }: TrainOptions = {}) =>
  Effect.gen(function* () {
    yield* checkAlike(resolved, mixedDevices)
    const resumed = resume === undefined ? undefined : yield* foundByFirst(findRun(resolved, resume, notice))
    const kind = yield* loadKind(resolved.plan)
    if (resumed !== undefined && resumed.finished !== null) {
      const recorded = Result.getOrElse(withRecorded(resolved, resumed.finished.ranks ?? undefined), () => resolved)
      return yield* onFirst(alreadyFinished(kind, resumed, recorded, resumed.finished).pipe(within(resumed.guard)))
    }
    const { session, run, decided, rate } = yield* Effect.gen(function* () {
      const model = yield* loadPlanModel(kind, resolved)
      const starts =
        (resumed?.checkpoint ?? null) === null ||
        (fromOf(resolved.plan) !== undefined && kind.asksBeginning?.(resolved.plan))
      const recorded = yield* withRanksOf(resolved, resumed?.checkpoint ?? null)
      const restoring = injectToRestore(model, recorded).pipe(Effect.withSpan("inject"))
      const adapted = yield* starts ? adaptPlan(kind, model, recorded) : restoring
      const decided = withDecided(resolved, adapted)
      const run = yield* openedByFirst(
        resumed === undefined ? openRun(resolved, directory) : continueRun(resumed, resolved, notice)
      )
      return { ...(yield* sessionOf(kind, adapted, decided, run)), run, decided }
    }).pipe(Effect.onInterrupt(() => notice("interrupted before training began")))
    return yield* trainRun(kind, session, rate, { ...decided, name: run.name }, run).pipe(within(run.guard))
  }).pipe(
    inPrecision(resolved.plan.training),
    Effect.scoped,
    ofDevice,
    spokenByFirst,
    Effect.withSpan("train", { attributes: { plan: resolved.name, format: resolved.plan.data.format } })
  )

const inPrecision =
  ({ precision }: ResolvedPlan["plan"]["training"]) =>
  <A, E, R>(program: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeviceError, R | Device> =>
    precision === "float32"
      ? program
      : Effect.flatMap(
          Effect.promise(() => import("./device/precision.ts")),
          ({ inBfloat16 }) => inBfloat16(program)
        )

/** The plan with the ranks that a checkpoint has, where the run's init decided them: it looks at no data again. */
const withRanksOf = (resolved: ResolvedPlan, checkpoint: Run["checkpoint"]) =>
  checkpoint === null
    ? Effect.succeed(resolved)
    : Effect.fromResult(withRecorded(resolved, checkpoint.record.ranks)).pipe(
        Effect.mapError(({ message: reason }) => new CheckpointMisfit({ folder: checkpoint.folder, reason }))
      )

/** Nothing is computed again; what could not be done then is done now: the page is written, and checkpoints go. */
const alreadyFinished = (kind: LoadedKind, resumed: FoundRun, resolved: ResolvedPlan, report: RunReport) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    yield* notice(`${resumed.directory} is finished after ${counted(report.steps, "step")}, and is left unchanged`)
    if (!(yield* fs.exists(resumed.page).pipe(Effect.orElseSucceed(() => true))))
      yield* presentRun(kind, resumed, resolved, report)
    if (yield* isAsReported(resumed, report)) yield* clearCheckpoints(resumed, resolved)
    return report
  })

/** What is finished goes on from nowhere: its checkpoints go, unless the plan asks for them. */
const clearCheckpoints = (run: RunFolder, { plan: { output } }: ResolvedPlan) =>
  output.keepCheckpoints === undefined ? removeCheckpoints(run) : Effect.void

/** A session at the step that the run has reached, with the rate that was found at its start. */
const sessionOf = (kind: LoadedKind, adapted: Adapted<Network>, resolved: ResolvedPlan, { checkpoint }: Run) =>
  Effect.gen(function* () {
    const recordedRate = checkpoint?.record.rate
    if (checkpoint !== null && recordedRate === undefined && !isDecided(resolved.plan.optimizer)) {
      const reason = 'the plan has learningRate "auto", but the checkpoint does not record the rate that was found'
      return yield* new CheckpointMisfit({ folder: checkpoint.folder, reason })
    }
    const decided = yield* decideRate(kind, adapted, resolved, recordedRate)
    const session = yield* openPlanSession(kind, adapted, resolved, decided)
    if (checkpoint !== null) yield* restoreCheckpoint(session, checkpoint)
    return { session, rate: decided.rate }
  })

/** A note where a run goes on upon another device: what promises the same bits promises them for one. */
const deviceNote = ({ checkpoint }: Run, now: string): ReadonlyArray<string> => {
  const before = checkpoint?.record.device ?? now
  const [backend] = before.split(" ")
  return before === now
    ? []
    : [
        `note: the steps so far were computed on ${before}, the next ones will be on ${now}; sums are taken in another order, so the last digits of numbers may differ; use --device ${backend} to avoid this`
      ]
}

const KEPT_WHILE_TRAINING = 2

/** From an open run folder to its results. */
const trainRun = (
  kind: LoadedKind,
  session: Session<Network>,
  rate: DecidedRate["rate"],
  resolved: ResolvedPlan,
  run: Run
) =>
  Effect.gen(function* () {
    const { plan, steps } = resolved
    const { adapted } = session
    const device = yield* Device
    const { backend, instructions, products } = device.describe()
    const computer = [backend, instructions, products].filter((word) => word !== undefined).join(" ")
    if (products !== undefined) yield* notice(`products with frozen weights: ${products}`)
    yield* Effect.forEach(deviceNote(run, computer), notice)
    const sources = yield* Effect.context<Sources>()
    const { checkpointEvery, keepCheckpoints: keep = KEPT_WHILE_TRAINING } = plan.output
    const checkpoints = yield* openCheckpoints(session, run, {
      checkpointEvery,
      keep,
      // a base that changed under the run spoils every later state: the last checkpoint is of before
      sync: Effect.andThen(device.sync, Effect.provideContext(unchangedBase(resolved, run.inputs), sources)),
      device: computer,
      rate
    })
    const evaluator = evaluatorOf(kind, adapted, resolved, run)
    const stepReports = run.history.filter((row): row is StepReport => row.kind === "step").map(brief)
    let recorded = session.step
    const record = (reports: ReadonlyArray<StepReport>, diagnostics?: DiagnosticsReport) =>
      Effect.gen(function* () {
        // before its step: what is recorded of a step is all there
        if (diagnostics !== undefined) yield* run.append(diagnostics)
        for (const report of reports) {
          yield* run.append(report)
          recorded = report.step
          stepReports.push(brief(report))
        }
      })
    const { standing } = evaluator
    const checkedLoss = lookAtThird(kind, resolved, stepReports)
    const look = (step: number) =>
      Effect.gen(function* () {
        yield* evaluator.during(step)
        yield* checkpoints.afterStep(standing.now().best)
      })

    return yield* Effect.gen(function* () {
      device.label("the first evaluation and step 1")
      const before = yield* evaluator.before
      // an interruption may have come before it
      yield* look(session.step)
      if (!standing.stops()) {
        yield* stepsOfPlan(kind, session, resolved, record).pipe(
          Stream.tap((report) =>
            Effect.flatMap(Progress, (tell) => tell({ ...report, of: steps, unit: kind.words.unit ?? "tokens" }))
          ),
          Stream.tap(() => checkedLoss),
          // of steps read together, the state is that after the last
          Stream.tap(({ step }) => (step === session.step ? look(step) : Effect.void)),
          Stream.takeUntil(standing.stops),
          Stream.runDrain,
          Effect.withSpan("steps", { attributes: { from: session.step, to: steps } })
        )
      }
      yield* checkpoints.save
      const stopped = session.step < steps ? reasonOf(standing) : null
      if (stopped !== null) yield* notice(stoppedText(kind.metrics, stopped, { steps: session.step, planned: steps }))
      const best = yield* chooseState(adapted, plan, evaluator, session.step, restoreBest(adapted, run))
      const after = yield* evaluator.after(before, best?.step ?? session.step)
      const results = {
        steps: session.step,
        stopped,
        kept: best,
        reports: stepReports,
        before,
        after,
        stateBytes: stateBytesOf(session),
        rate
      }
      return yield* onFirst(finish(kind, adapted, resolved, run, results).pipe(Effect.withSpan("save")))
    }).pipe(
      ofDevice,
      savedOnFailure(session, checkpoints, run, () => recorded)
    )
  })

/** The state of the best evaluated step, put in place of the last one's. Where it cannot be read, the last stays, and a warning says so. */
const restoreBest =
  (adapted: Adapted<Network>, { checkpoints }: Run) =>
  (step: number) =>
    restoreTrainedOf(checkpoints, step, adapted).pipe(
      Effect.as(true),
      Effect.catch(({ message }) =>
        Effect.as(warn(`step ${step} was the best, but ${message}; saved the last checkpoint`), false)
      )
    )

/** What of a step is needed at the end. */
const brief = (report: StepReport) => ({ ...stepRecordOf(report), milliseconds: report.milliseconds })

/** Bytes of the optimizer's tensors, of all ranks together. */
const stateBytesOf = ({ optimizerState }: Session<Network>) =>
  sharedState(optimizerState).tensors.reduce((sum, { size }) => sum + size * Float32Array.BYTES_PER_ELEMENT, 0)

type Results = Omit<Parameters<typeof finishRun>[2], "labels" | "device" | "peakBytes" | "baseline" | "warnings"> & {
  readonly reports: ReadonlyArray<ReturnType<typeof brief>>
}

/** Writes the results. There is no run.json while there may be a part of them: it is what vouches for the rest. */
const finish = (kind: LoadedKind, adapted: Adapted<Network>, resolved: ResolvedPlan, run: Run, results: Results) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const device = yield* Device
    const baseline = baselinesOf(kind, resolved)
    const { reports: stepReports, kept, steps, before, after } = results
    const step = kept?.step ?? steps
    yield* unchangedBase(resolved, run.inputs)
    yield* Effect.ignore(fs.remove(run.report, { force: true }))
    yield* kind.save(adapted, resolved, run.adapter)
    const report = yield* finishRun(run, resolved, {
      ...results,
      baseline,
      warnings: warningsOf(kind, resolved, { stepReports: stepReports, step, baseline, before, ...after }),
      labels: kind.labelsOf(resolved.model),
      device: device.describe(),
      peakBytes: device.peakBytes()
    })
    yield* presentRun(kind, run, resolved, report)
    yield* clearCheckpoints(run, resolved)
    return report
  })

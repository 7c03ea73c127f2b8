/**
 * What a list of runs says of each: from its folder alone, and from what is known of its process. Files that did not change are not read
 * again, and of metrics.jsonl only the end is.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeRunPlanResult, factsOfMethod, factsOfOptimizer, type RunPlan } from "../../../schemas/index.ts"
import { capital } from "../../boundary/index.ts"
import { type Files, isThere, namesIn, readExactly, readJsonFile } from "../../files/index.ts"
import { kindOf, type RunKind } from "../../kinds/index.ts"
import { runFolder } from "../../output/index.ts"
import { type Evaluation, rowIn, type Step } from "../../output/report/index.ts"
import { inWords, scoreOf } from "../../training/index.ts"
import type { RunState, RunSummary } from "../protocol/index.ts"
import { annotationOf, readAnnotation } from "./annotation.ts"
import { seenFiles } from "./watching.ts"

/** Folders that are being removed: each has a hidden name beside its own until its files are gone, and no list shows it. */
const HIDDEN = /^\.removed-[0-9a-z]+-(.+)$/s

/** "reviews-1" → ".removed-mb3k1x9z-reviews-1", another one at each moment. */
export const removedName = (name: string): string => `.removed-${Date.now().toString(36)}-${name}`

/** The name that a folder had before it was removed; undefined: it was not. */
export const nameBeforeRemoval = (name: string): string | undefined => HIDDEN.exec(name)?.[1]

/** What a host knows of the process that writes a run. */
export interface Life {
  /** `ended`: no process writes it; what it left says how */
  readonly state: "waiting" | "starting" | "training" | "stopping" | "ended"
  /** why it failed; null: it did not */
  readonly failed: string | null
  /** what it waits for, or does before its first step */
  readonly note: string | null
  /** milliseconds since 1970; null: not known */
  readonly startedAt: number | null
  /** that it will take, where its process said so */
  readonly steps: number | null
  /** its plan, for as long as its folder has none */
  readonly plan: string | null
}

/** Whether no one works on a run. */
export const isOver = (state: RunState): boolean => state === "finished" || state === "failed" || state === "stopped"

/** A run of which no one knows more than its folder says. */
export const unattended: Life = {
  state: "ended",
  failed: null,
  note: null,
  startedAt: null,
  steps: null,
  plan: null
}

/** The newest rows of a metrics.jsonl. */
interface Newest {
  readonly steps: ReadonlyArray<Step>
  readonly evaluation: Evaluation | null
}

const NONE: Newest = { steps: [], evaluation: null }
/** of the end of the file: a hundred steps and more */
const TAIL = 64 * 1024
/** where the newest evaluation is farther away */
const LONG_TAIL = 2 * 1024 * 1024
/** as many say how long one takes */
const TIMED = 20

const readNewest = (file: string): Effect.Effect<Newest, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const handle = yield* fs.open(file)
    const size = Number((yield* handle.stat).size)
    const linesOf = (length: number) =>
      Effect.map(readExactly(handle, Math.max(0, size - length), Math.min(size, length)), (bytes) =>
        new TextDecoder().decode(bytes).split("\n")
      )
    const evaluationIn = (lines: ReadonlyArray<string>): Evaluation | null => {
      const evaluationLine = lines.findLast((line) => line.startsWith('{"kind":"evaluation"'))
      const row = evaluationLine === undefined ? undefined : rowIn(evaluationLine)
      return row?.kind === "evaluation" ? row : null
    }
    const lines = yield* linesOf(TAIL)
    const steps = lines
      .filter((line) => line.startsWith('{"kind":"step"'))
      .slice(-TIMED - 1)
      .flatMap((line) => rowIn(line) ?? [])
      .filter((row) => row.kind === "step")
    const near = evaluationIn(lines)
    return { steps, evaluation: near !== null || size <= TAIL ? near : evaluationIn(yield* linesOf(LONG_TAIL)) }
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => NONE)
  )

const Scores = Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown))
const Left = Schema.Struct({
  steps: Schema.Int,
  planned: Schema.optionalKey(Schema.Int),
  validation: Scores,
  test: Scores
})
const decodeLeft = Schema.decodeUnknownOption(Left)

const readLeft = (file: string) =>
  readJsonFile(file).pipe(
    Effect.map((json) => Option.getOrNull(decodeLeft(json))),
    Effect.orElseSucceed(() => null)
  )

/** A valid plan and its kind of run. */
export interface PlanOfRun {
  readonly plan: RunPlan
  readonly kind: RunKind
}

interface ReadPlan {
  /** null: unreadable */
  readonly planOfRun: PlanOfRun | null
  /** when its folder was made, in milliseconds since 1970 */
  readonly began: number
}

const readPlanOf = (file: string): Effect.Effect<ReadPlan, never, Files> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const began = yield* fs.stat(path.dirname(file)).pipe(
      Effect.map(({ birthtime, mtime }) =>
        Option.getOrElse(
          Option.orElse(birthtime, () => mtime),
          () => new Date(0)
        )
      ),
      Effect.orElseSucceed(() => new Date(0))
    )
    const planOfRun = yield* Effect.gen(function* () {
      const decoded = decodeRunPlanResult(yield* readJsonFile(file))
      if (Result.isFailure(decoded)) return null
      return { plan: decoded.success, kind: yield* kindOf(decoded.success) }
    }).pipe(Effect.orElseSucceed(() => null))
    return { planOfRun, began: began.getTime() }
  })

/** "../data/movies/train.jsonl" → ["data", "movies", "train.jsonl"] */
const partsOf = (path: string): ReadonlyArray<string> => path.split("/").filter((part) => !/^\.*$/.test(part))

const hyperparametersOf = ({
  adapter,
  optimizer,
  data,
  model,
  training,
  seed
}: RunPlan): RunSummary["hyperparameters"] => ({
  method: factsOfMethod(adapter).label,
  ...("rank" in adapter ? { rank: adapter.rank } : {}),
  optimizer: factsOfOptimizer(optimizer).label,
  "learning rate": optimizer.learningRate,
  "batch size": training.batchSize,
  model: partsOf(model.source).at(-1) ?? model.source,
  rows: partsOf(data.train).slice(-2).join("/"),
  seed
})

/** "LoRA with AdamW · rank 8 · classification", whose dots may end a line and begin none. */
const saysOf = ({ adapter, optimizer, data }: RunPlan): string =>
  [
    `${capital(factsOfMethod(adapter).label)} with ${factsOfOptimizer(optimizer).label}`,
    ...("rank" in adapter ? [`rank ${adapter.rank}`] : []),
    data.format.replaceAll("-", " ")
  ].join("\u00a0· ")

const meanMilliseconds = (steps: ReadonlyArray<Step>): number | null => {
  const times = steps.slice(1).flatMap(({ milliseconds }) => milliseconds ?? [])
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time / times.length, 0)
}

/** Reads runs, and remembers what it read. */
export interface RunReader {
  /** `id`: the run's folder, relative to the working directory */
  readonly summary: (id: string, life?: Life) => Effect.Effect<RunSummary, never, Files>
  /** The plan of a run's folder; null: missing or unreadable. */
  readonly plan: (id: string) => Effect.Effect<PlanOfRun | null, never, Files>
}

export const runReader = (): RunReader => {
  const planAt = seenFiles(readPlanOf)
  const leftAt = seenFiles(readLeft)
  const newestAt = seenFiles(readNewest)
  const annotationAt = seenFiles(readAnnotation)
  const plan: RunReader["plan"] = (id) =>
    Effect.gen(function* () {
      const folder = yield* runFolder(id)
      return (yield* planAt(folder.plan))?.planOfRun ?? null
    })
  const summary: RunReader["summary"] = (id, life = unattended) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const folder = yield* runFolder(id)
      const read = (yield* planAt(folder.plan)) ?? (life.plan === null ? undefined : yield* planAt(life.plan))
      const planOfRun = read?.planOfRun ?? null
      const report = (yield* leftAt(folder.report)) ?? null
      const { steps: newest, evaluation } = (yield* newestAt(folder.metrics)) ?? NONE
      const { comment = "", archived = false } = (yield* annotationAt(annotationOf(id))) ?? {}
      const last = newest.at(-1)
      const isOver = life.state === "ended"
      const state: RunState = !isOver
        ? life.state
        : report !== null
          ? "finished"
          : life.failed !== null
            ? "failed"
            : "stopped"
      const judged = state === "finished" ? (report!.test ?? report!.validation) : evaluation
      const split = state === "finished" ? (report!.test === null ? "validation" : "test") : (evaluation?.split ?? "")
      const name = planOfRun?.kind.headline[0]
      const metric = name === undefined ? undefined : planOfRun!.kind.metrics[name]
      const value = judged === null || name === undefined ? null : scoreOf(judged, name)
      const step = state === "finished" ? report!.steps : (last?.step ?? 0)
      const steps = life.steps ?? report?.planned ?? report?.steps ?? planOfRun?.plan.training.steps ?? 0
      const milliseconds = state === "training" ? meanMilliseconds(newest) : null
      return {
        id,
        name: path.basename(id),
        state,
        says: planOfRun === null ? "" : saysOf(planOfRun.plan),
        step,
        steps,
        loss: last?.loss ?? null,
        score: metric === undefined || value === null ? null : `${split} ${inWords(metric, value)}`,
        headline:
          metric === undefined || metric.better === null || value === null ? null : { value, better: metric.better },
        startedAt: life.startedAt ?? read?.began ?? 0,
        note: state === "failed" ? life.failed : life.note,
        secondsLeft: milliseconds === null || steps < step ? null : Math.round(((steps - step) * milliseconds) / 1000),
        hyperparameters: planOfRun === null ? {} : hyperparametersOf(planOfRun.plan),
        comment,
        archived
      }
    })
  return { summary, plan }
}

/** Folders in `top` that have a file of this name, in the order of their names. */
export const foldersWith = (
  top: string,
  sign: string
): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const names = (yield* namesIn(top)).filter((name) => nameBeforeRemoval(name) === undefined)
    const folders = names.map((name) => `${top}/${name}`).sort()
    return yield* Effect.filter(folders, (folder) => isThere(`${folder}/${sign}`), { concurrency: 16 })
  })

/** "runs/reviews-1": the name with the first number that is free. `isTaken`: also true for folders that do not exist yet. */
export const freeFolder = (name: string, isTaken: (folder: string) => boolean = () => false) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (let n = 1; ; n++) {
      const folder = `${name}-${n}`
      if (!isTaken(folder) && !(yield* fs.exists(folder).pipe(Effect.orElseSucceed(() => true)))) return folder
    }
  })

/** The folders below `runs` that are runs. */
export const runFolders = (runs = "runs"): Effect.Effect<ReadonlyArray<string>, never, FileSystem.FileSystem> =>
  foldersWith(runs, "plan.json")

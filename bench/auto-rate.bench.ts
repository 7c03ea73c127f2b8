/**
 * `learningRate: "auto"` beside a sweep made by hand: the rate that it finds, what a run comes to with it, what the best of the sweep comes to,
 * and the head alone.
 *
 *   bun bench/auto-rate.bench.ts [--case fashion,turned,movies] [--optimizer lora-pro,adamw] [--steps 30] [--seeds 0,1,2,3,4]
 *                                [--sweep-seeds 0,1] [--rates 3e-5,1e-4] [--head-rates tied,1e-2] [--head-alone 1e-2,3e-2]
 *
 * Cases by `adapt().fit` with nothing said but the optimizer: `fashion` (MobileNetV2 and a new head, pictures of clothes), `turned`,
 * `inverted` (digits). Others are plans, whose rate alone is changed. Scores are of test rows, the state the last. A head rate of
 * "tied" is that of the layers below. The best of the sweep is that of its means over `--sweep-seeds`, and is run with all seeds then.
 */
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type Images, readDigits, type Task, taskOf } from "../examples/digits/images.ts"
import { openBase } from "../examples/digits/network.ts"
import type { AdaptationPlanInput } from "../schemas/index.ts"
import { layer } from "../src/device/bun.ts"
import { loadKind, resolve } from "../src/kinds/index.ts"
import { type AdaptOptionsInput, adapt } from "../src/layers-model/index.ts"
import { readPlan } from "../src/plan/index.ts"
import { platform } from "../src/platform.ts"
import { adaptPlan, decideRate, loadPlanModel, openPlanSession, stepsOfPlan } from "../src/run/index.ts"
import { type FoundRate, scoreOf } from "../src/training/index.ts"
import { printTable, setting } from "./cells.ts"
import { interval, mean } from "./digits/statistics.ts"
import { readRows, SIDE } from "./fashion/rows.ts"

const { values } = parseArgs({
  options: {
    case: { type: "string", default: "fashion" },
    optimizer: { type: "string", default: "lora-pro" },
    steps: { type: "string", default: "30" },
    seeds: { type: "string", default: "0,1,2,3,4" },
    "sweep-seeds": { type: "string", default: "0,1" },
    rates: { type: "string", default: "" },
    "head-rates": { type: "string", default: "tied" },
    "head-alone": { type: "string", default: "" }
  }
})
const words = (text: string): ReadonlyArray<string> => text.split(",").filter(Boolean)
const numbers = (text: string): ReadonlyArray<number> => words(text).map(Number)
const steps = Number(values.steps)

interface Trial {
  readonly optimizer: string
  readonly rate: number | "auto"
  /** absent: that of the layers below, or found */
  readonly headRate?: number | undefined
  /** nothing but the head is trained */
  readonly alone?: boolean
  readonly seed: number
}

interface Outcome {
  /** of test rows: in percent where it is a share */
  readonly score: number
  readonly found: FoundRate | null
  readonly seconds: number
}

type Case = (trial: Trial) => Promise<Outcome>

const sectionOf = ({ optimizer, rate, headRate }: Trial) => ({
  ...(optimizer === "lora-pro-sgd" ? { kind: "lora-pro", form: "sgd" } : { kind: optimizer }),
  learningRate: rate,
  ...(headRate === undefined ? {} : { headLearningRate: headRate })
})

/** A LayersModel, by `fit`. */
interface FitCase {
  readonly model: tf.LayersModel
  readonly options: AdaptOptionsInput
  readonly train: readonly [tf.Tensor, tf.Tensor]
  readonly test: readonly [tf.Tensor, tf.Tensor]
}

const byFit = (open: () => Promise<FitCase>): Case => {
  let opened: Promise<FitCase> | undefined
  return async (trial) => {
    opened ??= open()
    const { model, options, train, test } = await opened
    model.compile({ optimizer: "sgd", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] })
    const { head = [] } = options
    const own = trial.alone === true ? { method: "none" as const, head } : options
    const adapted = await adapt(model, { ...own, seed: trial.seed } as AdaptOptionsInput)
    const began = performance.now()
    try {
      const plan = { seed: trial.seed, optimizer: sectionOf(trial), training: { steps } } as AdaptationPlanInput
      const { rate } = await adapted.fit(...train, { plan, verbose: 0 })
      const seconds = (performance.now() - began) / 1000
      return { score: 100 * (await adapted.evaluate(...test))["acc"]!, found: rate, seconds }
    } finally {
      adapted.dispose()
    }
  }
}

const fashion = async (): Promise<FitCase> => {
  const folder = new URL("../examples/models/mobilenet/", import.meta.url)
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(new URL("model.json", folder), "utf8"))
  const weightData = new Uint8Array(readFileSync(new URL("weights.bin", folder))).buffer
  const [{ weights: weightSpecs }] = weightsManifest
  const { train, test } = await readRows()
  const tensors = ({ pixels, labels, count }: typeof train) =>
    [tf.tensor4d(pixels, [count, SIDE, SIDE, 3]), tf.tensor2d(labels, [count, 1])] as const
  return {
    model: await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData })),
    options: { head: ["scores"] },
    train: tensors(train),
    test: tensors(test)
  }
}

const digits = (name: Task) => async (): Promise<FitCase> => {
  const { train, test } = taskOf(name, readDigits())
  const tensors = ({ pixels, labels, count }: Images) =>
    [tf.tensor4d(pixels, [count, 28, 28, 1]), tf.tensor2d(Float32Array.from(labels), [count, 1])] as const
  return { model: await openBase(), options: { rank: 4, alpha: 8 }, train: tensors(train), test: tensors(test) }
}

/** A plan, of which nothing but the rates, the seed and the number of steps is changed. */
const byPlan =
  (file: string): Case =>
  ({ rate, headRate, optimizer, alone = false, seed }) =>
    Effect.gen(function* () {
      const { plan: whole, name } = yield* readPlan(new URL(`../${file}`, import.meta.url).pathname)
      const { headLearningRate: _, ...own } = whole.optimizer
      const changed = sectionOf({ optimizer, rate, headRate, seed })
      const section = own.kind === optimizer && !alone ? { ...own, ...changed } : { ...changed, schedule: own.schedule }
      const { planFromValue } = yield* Effect.promise(() => import("../src/plan/index.ts"))
      const plan = yield* planFromValue(
        {
          ...whole,
          seed,
          optimizer: section,
          ...(alone ? { adapter: { method: "none" } } : {}),
          training: { ...whole.training, steps, evaluateEvery: "never" }
        },
        "."
      )
      const resolved = yield* resolve(plan, name)
      const kind = yield* loadKind(resolved.plan)
      const adapted = yield* adaptPlan(kind, yield* loadPlanModel(kind, resolved), resolved)
      const began = performance.now()
      const decided = yield* decideRate(kind, adapted, resolved)
      const session = yield* openPlanSession(kind, adapted, resolved, decided)
      yield* stepsOfPlan(kind, session, resolved, () => Effect.void).pipe(Stream.runDrain)
      const seconds = (performance.now() - began) / 1000
      const split = resolved.data.splits.test ?? resolved.data.splits.validation!
      const result = yield* kind.evaluate(adapted, resolved.plan, split, { done: () => Effect.void })
      const [metric] = kind.headline
      const value = scoreOf(result, metric)!
      return {
        score: kind.metrics[metric]!.unit === "%" ? 100 * value : value,
        found: decided.rate ?? null,
        seconds
      }
    }).pipe(Effect.scoped, Effect.provide([platform, device]), Effect.runPromise)

const device = layer("native", { threads: 2 })

const cases: Readonly<Record<string, Case>> = {
  fashion: byFit(fashion),
  turned: byFit(digits("turned")),
  inverted: byFit(digits("inverted")),
  movies: byPlan("examples/plans/movies-lora-pro-full.json"),
  eras: byPlan("bench/eras/plan.json"),
  ratings: byPlan("examples/plans/ratings.json"),
  definitions: byPlan("examples/plans/definitions-embedding.json")
}

const over = async (run: Case, trial: Omit<Trial, "seed">, seeds: ReadonlyArray<number>) => {
  const outcomes: Array<Outcome> = []
  for (const seed of seeds) {
    const outcome = await run({ ...trial, seed }).catch((error: Error) => {
      // what diverges or is refused has no score
      console.log(JSON.stringify({ ...trial, seed, error: error.message.slice(0, 200) }))
      return { score: Number.NaN, found: null, seconds: 0 }
    })
    console.log(JSON.stringify({ ...trial, seed, ...outcome }))
    outcomes.push(outcome)
  }
  return outcomes
}

/** The trial with the best mean, run with all seeds. */
const best = async (run: Case, trials: ReadonlyArray<Omit<Trial, "seed">>) => {
  const swept = []
  for (const trial of trials) {
    const scores = (await over(run, trial, numbers(values["sweep-seeds"]))).map(({ score }) => score)
    if (scores.every(Number.isFinite)) swept.push({ trial, score: mean(scores) })
  }
  const first = swept.toSorted((a, b) => b.score - a.score)[0]
  if (first === undefined) return undefined
  return { trial: first.trial, outcomes: await over(run, first.trial, numbers(values.seeds)) }
}

const range = (found: ReadonlyArray<number | undefined>): string => {
  const known = found.filter((one) => one !== undefined)
  if (known.length === 0) return "–"
  const [least, most] = [Math.min(...known), Math.max(...known)]
  return least === most ? `${least}` : `${least} to ${most}`
}
const scores = (outcomes: ReadonlyArray<Outcome> | undefined): string =>
  outcomes === undefined ? "–" : interval(outcomes.map(({ score }) => score))

const main = async () => {
  const rows: Array<ReadonlyArray<string>> = []
  for (const name of words(values.case)) {
    const run = cases[name]
    if (run === undefined) throw new Error(`--case: found ${name}; expected some of ${Object.keys(cases).join(", ")}`)
    const alone = await best(
      run,
      numbers(values["head-alone"]).map((rate) => ({ optimizer: "adamw", rate, alone: true }))
    )
    for (const optimizer of words(values.optimizer)) {
      const auto = await over(run, { optimizer, rate: "auto" }, numbers(values.seeds))
      const grid = numbers(values.rates).flatMap((rate) =>
        words(values["head-rates"]).map((head) => ({
          optimizer,
          rate,
          headRate: head === "tied" ? undefined : Number(head)
        }))
      )
      const swept = await best(run, grid)
      rows.push([
        name,
        optimizer,
        range(auto.map(({ found }) => found?.learningRate)),
        range(auto.map(({ found }) => found?.headLearningRate)),
        scores(auto),
        swept === undefined
          ? "–"
          : `${swept.trial.rate}${swept.trial.headRate === undefined ? "" : `, head ${swept.trial.headRate}`}`,
        scores(swept?.outcomes),
        alone === undefined ? "–" : `${scores(alone.outcomes)} at ${alone.trial.rate}`
      ])
    }
  }
  console.log(`\n${setting()} · native, two threads · ${steps} steps · seeds ${values.seeds}\n`)
  printTable(["case", "optimizer", "found", "head", "score", "best of the sweep", "its score", "head alone"], rows)
}

await Effect.promise(main).pipe(Effect.provide(device), Effect.scoped, Effect.runPromise)
process.exit(0)

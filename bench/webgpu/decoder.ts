/**
 * A language model on WebGPU, one measurement in a process of its own: training steps and written tokens of
 * SmolLM2-135M-Instruct with the decoder's kernels (`KERNELS`) as programs of ours and as their references, of tfjs's ops.
 *
 *   bun bench/webgpu/decoder.ts GGUF '{"what":"time","work":"training","batch":1,"length":64,"weights":"int8","rounds":3}'
 *   bun bench/webgpu/decoder.ts GGUF '{"what":"programs","work":"writing","batch":1,"length":64,"weights":"int8","rounds":1}'
 *
 * Prints a JSON line. `time` takes both in turn, round by round; all else of a step is the same. `programs` times the
 * dispatches of steps with our programs. `length`: tokens of a row, or of the prompt behind which a token is written.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import { type Adapted, inject, type LoraOptions, lora } from "../../adapters/index.ts"
import { Device } from "../../src/device/device.ts"
import { openDevice } from "../../src/device/open.ts"
import { keyValueCache } from "../../src/generation/cache.ts"
import { nextTokens, type Pass, readOnly } from "../../src/generation/passes.ts"
import { type CausalModel, openCausalModel } from "../../src/models/causal/index.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { platform } from "../../src/platform.ts"
import type { CausalRows } from "../../src/tensors/rows.ts"
import { openSession, takeStep, tokenCrossEntropy } from "../../src/training/index.ts"
import { startCounting } from "./counters.ts"
import { openDawn, runtimeOn } from "./dawn.ts"
import type { ProgramTimes } from "./measurement.ts"
import { startTiming } from "./pass-times.ts"

export interface DecoderMeasurement {
  readonly what: "time" | "programs"
  readonly work: "training" | "writing"
  readonly batch: number
  readonly length: number
  readonly weights: "f32" | "f16" | "int8" | "q4" | "q8"
  readonly rounds: number
}

const KINDS = ["programs", "references"] as const
type Kind = (typeof KINDS)[number]

/** Milliseconds of a step, or a token of each row, by round; and the largest sum of GPU buffers while such steps were taken. */
export interface DecoderTimes {
  readonly gpu: string
  readonly milliseconds: Readonly<Record<Kind, ReadonlyArray<number>>>
  readonly peakBytes: Readonly<Record<Kind, number>>
}

export interface DecoderPrograms {
  readonly gpu: string
  /** of a step */
  readonly programs: ProgramTimes
  readonly reads: number
}

const FORMS = ["", "_f16", "_int8"]
const KERNELS = [
  ...["Rope", "RopeBackward", "Attention", "AttentionGradient"],
  ...FORMS.map((form) => `LinearCrossEntropy${form}`)
]

/** From now on these kernels are programs of ours, or references: what is registered for a backend that we have no engine for. */
const kernelsAs = (() => {
  const own = new Map(KERNELS.map((name) => [name, tf.getKernel(name, "webgpu")]))
  return (kind: Kind): void => {
    for (const name of KERNELS) {
      const { kernelFunc } = kind === "programs" ? own.get(name)! : tf.getKernel(name, "webgl")
      tf.unregisterKernel(name, "webgpu")
      tf.registerKernel({ kernelName: name, backendName: "webgpu", kernelFunc })
    }
  }
})()

const VOCABULARY = 49_152

/** Rows without padding; time does not depend on the ids. */
const rowsOf = ({ batch: size, length }: DecoderMeasurement): CausalRows => {
  const inputIds = Int32Array.from({ length: size * length }, (_, i) => (i * 37) % VOCABULARY)
  return {
    size,
    length,
    inputIds,
    labels: inputIds.map((id, i) => (i % length === length - 1 ? -100 : (id + 37) % VOCABULARY)),
    segments: new Int32Array(size * length),
    positions: inputIds.map((_, i) => i % length),
    tokens: size * length
  }
}

/** A step of training, as a function. */
const training = (adapted: Adapted<CausalModel>, measurement: DecoderMeasurement) =>
  Effect.gen(function* () {
    const optimizer = {
      kind: "adamw",
      learningRate: 2e-4,
      weightDecay: 0,
      clipNorm: null,
      schedule: { kind: "constant" },
      betas: [0.9, 0.999],
      epsilon: 1e-8
    } as const
    const session = yield* openSession(adapted, {
      optimizer: yield* fromConfig(optimizer, 1000),
      loss: tokenCrossEntropy
    })
    return takeStep(session, [rowsOf(measurement)])
  })

/** A token behind each row, as a function; its cache grows by a token each time. */
const writing = (adapted: Adapted<CausalModel>, multiple: number, { batch, length }: DecoderMeasurement) =>
  Effect.sync(() => {
    const padding = Array.from({ length: batch }, () => 0)
    const cache = keyValueCache({ padding, multiple })
    const passOver = (ids: Pass["ids"]): Pass => ({
      adapted,
      ids,
      before: padding.map(() => cache.length()),
      ahead: padding,
      attend: () => cache.pass(ids[0]!.length)
    })
    readOnly(passOver(padding.map((_, row) => Array.from({ length }, (_, i) => i * 37 + row))))
    return Effect.promise(async () => {
      const chosen = nextTokens(passOver(padding.map(() => [1])))
      await chosen.data()
      chosen.dispose()
    })
  })

/** Steps before those that count: what is new is compiled in them. */
const WARM_UP = 2

const measured = (gguf: string, measurement: DecoderMeasurement) =>
  Effect.gen(function* () {
    const gpu = openDawn("best")
    const counters = startCounting()
    const timing = measurement.what === "programs" ? startTiming() : undefined
    const device = yield* openDevice(runtimeOn(gpu), "webgpu")
    const model = yield* openCausalModel(gguf, { weights: measurement.weights }).pipe(
      Effect.provideService(Device, device)
    )
    const options = { rank: 8, alpha: 16, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject<LoraOptions, CausalModel>(model, lora, { ...options, targets: "all-linear" })
    const take = yield* measurement.work === "training"
      ? training(adapted, measurement)
      : writing(adapted, device.padMultiple, measurement)
    const timed = Effect.gen(function* () {
      const began = performance.now()
      yield* take
      yield* device.sync
      return performance.now() - began
    })
    const { adapter = "" } = device.describe()
    if (timing !== undefined) {
      for (let i = 0; i < WARM_UP; i++) yield* timed
      yield* Effect.promise(timing.take)
      counters.take()
      for (let i = 0; i < measurement.rounds; i++) yield* timed
      const times = Object.entries(yield* Effect.promise(timing.take))
      const mean = (sum: number) => sum / measurement.rounds
      const programs = Object.fromEntries(
        times.map(([name, { calls, milliseconds }]) => [name, { calls: mean(calls), milliseconds: mean(milliseconds) }])
      )
      return { gpu: adapter, programs, reads: mean(counters.take().reads) } satisfies DecoderPrograms
    }
    const milliseconds: Record<Kind, Array<number>> = { programs: [], references: [] }
    const peakBytes: Record<Kind, number> = { programs: 0, references: 0 }
    // the programs first: peaks of the references are higher
    for (const kind of KINDS) {
      kernelsAs(kind)
      for (let i = 0; i < WARM_UP; i++) yield* timed
      peakBytes[kind] = counters.peakBytes()
    }
    for (let round = 0; round < measurement.rounds; round++)
      for (const kind of KINDS) {
        kernelsAs(kind)
        milliseconds[kind].push(yield* timed)
      }
    return { gpu: adapter, milliseconds, peakBytes } satisfies DecoderTimes
  })

const [gguf, text] = process.argv.slice(2) as [string, string]
const result = await measured(gguf, JSON.parse(text) as DecoderMeasurement).pipe(
  Effect.scoped,
  Effect.provide(platform),
  Effect.runPromise
)
console.log(JSON.stringify(result))
process.exit(0)

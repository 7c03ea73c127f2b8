/**
 * A training step on WebGPU, ours or stock tfjs's, as a function.
 *
 * On the null adapter nothing is computed: the numbers of a step are 0 or what an upload left in a recycled buffer
 * (`dawn.ts`). They are finite, so that our steps, which do not count where a number is not, go on with them.
 */
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { methods as adapters } from "../../adapters/index.ts"
import type { OptimizerConfig } from "../../schemas/optimizer.ts"
import { Device } from "../../src/device/device.ts"
import { openDevice } from "../../src/device/open.ts"
import { inject, Models, platform, Training } from "../../src/index.ts"
import { submitPending, webgpuBackend } from "../../src/kernels/webgpu/backend.ts"
import { fromConfig } from "../../src/optimizers/index.ts"
import { syntheticBatch } from "../our-step.ts"
import { minilmFolder, modelShapes } from "../shapes.ts"
import { stockStep } from "../stock-step.ts"
import { usefulFlop } from "../useful-flop.ts"
import { openDawn, runtimeOn } from "./dawn.ts"
import type { OpenedResult, Path, StepSetting } from "./measurement.ts"

export interface GpuStep extends OpenedResult {
  /** Takes steps, and waits until the GPU has done them. Fails with an error of the GPU. */
  readonly take: (steps: number) => Promise<void>
}

const RANK = 8

const kinds = {
  adamw: { kind: "adamw" },
  "lora-pro-efficient": { kind: "lora-pro", form: "efficient", x: "sylvester", damping: 1e-8 },
  "lora-pro-full": { kind: "lora-pro", form: "full", x: "sylvester", damping: 1e-8 },
  "lora-pro-sgd": { kind: "lora-pro", form: "sgd", x: "sylvester", damping: 1e-8 }
} as const satisfies Readonly<Record<Exclude<Path, "stock">, object>>

const optimizerOf = (path: Exclude<Path, "stock">) => {
  const common = {
    learningRate: 1e-4,
    weightDecay: 0,
    clipNorm: null,
    schedule: { kind: "constant" },
    betas: [0.9, 0.999],
    epsilon: 1e-8
  } as const
  return fromConfig({ ...kinds[path], ...common } satisfies OptimizerConfig, 1000)
}

type OurSetting = StepSetting & { readonly path: Exclude<Path, "stock"> }

const openOurs = ({ path, batch, length, recompute = "none", folder = minilmFolder }: OurSetting, gpu: GPU) =>
  Effect.gen(function* () {
    const device = yield* openDevice(runtimeOn(gpu), "webgpu")
    const model = yield* Models.load({ source: folder, task: "classification", labels: ["a", "b"], seed: 0 }).pipe(
      Effect.provideService(Device, device)
    )
    const lora = { rank: RANK, alpha: 2 * RANK, scaling: "standard", init: { kind: "kaiming" } } as const
    const adapted = yield* inject(model, adapters.lora, { ...lora, targets: "all-linear" })
    const options = { optimizer: yield* optimizerOf(path), loss: Training.crossEntropy, recompute }
    const session = yield* Training.openSession(adapted, options)
    const group = [syntheticBatch(batch, length)]
    const { adapter = "", software = false } = device.describe()
    const names = new Set(adapted.sites.map(({ name }) => name))
    return {
      gpu: adapter,
      software,
      flop: usefulFlop(model.sites, names, { batch, length, rank: RANK }),
      take: (steps: number) =>
        Effect.gen(function* () {
          // as training takes them
          for (let left = steps; left > 0; left -= device.stepsPerRead) {
            const groups = Array(Math.min(left, device.stepsPerRead)).fill(group)
            const taken = yield* Training.takeSteps(session, groups)
            if (taken instanceof Training.NotFinite) throw new Error(`not finite: ${taken.symptom}`)
          }
          yield* device.sync
        }).pipe(Effect.runPromise)
    } satisfies GpuStep
  })

const openStock = async ({ model, batch, length }: StepSetting): Promise<Pick<GpuStep, "take">> => {
  const step = await stockStep(modelShapes[model], batch, length, "webgpu")
  const backend = webgpuBackend(tf.backend())
  let error: string | undefined
  backend.device.addEventListener("uncapturederror", (event) => {
    error ??= event.error.message
  })
  return {
    take: async (steps) => {
      try {
        for (let i = 0; i < steps; i++) await step()
        submitPending(backend)
        await backend.device.queue.onSubmittedWorkDone()
      } catch (cause) {
        error ??= String(cause) // what the GPU said before is why
      }
      if (error !== undefined) throw new Error(error)
    }
  }
}

/**
 * Opens the step once in a process, for the rest of it; `opened` is called with WebGPU's interfaces there and nothing
 * opened yet.
 */
export const openStep = async (setting: StepSetting, opened: () => void = () => {}): Promise<GpuStep> => {
  const gpu = openDawn(setting.adapter)
  opened()
  const { path } = setting
  if (path === "stock") return { gpu: "", software: false, flop: 0, ...(await openStock(setting)) }
  return openOurs({ ...setting, path }, gpu).pipe(
    Effect.provideService(Scope.Scope, Scope.makeUnsafe()),
    Effect.provide(platform),
    Effect.runPromise
  )
}

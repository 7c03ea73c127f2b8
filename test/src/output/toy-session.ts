/** A session on the toy model, stepped in milliseconds, and the files that its checkpoints are written to. */
import { afterAll } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { dora, full, inject, lora, none } from "../../../adapters/index.ts"
import { type LoraInit, mustBeDecided, type OptimizerConfig } from "../../../schemas/index.ts"
import type { Batch } from "../../../src/data/index.ts"
import type { Sources } from "../../../src/hub/index.ts"
import { randomStream } from "../../../src/numbers/random.ts"
import { fromConfig } from "../../../src/optimizers/index.ts"
import type { CheckpointedRun } from "../../../src/output/checkpoints.ts"
import { platform } from "../../../src/platform.ts"
import { frozenOf, tensorsOf } from "../../../src/tensors/trainable.ts"
import { crossEntropy, openSession, type Session, type StepError, takeStep } from "../../../src/training/index.ts"
import { storedState } from "../../../src/training/state-tree.ts"
import { toyModel } from "../../adapters/toy-model.ts"

/** "pissa": LoRA whose pairs subtract their start */
export type Method = "lora" | "pissa" | "dora" | "full" | "none"

const STEPS = 100
const [ROWS, LENGTH, CLASSES, VOCABULARY] = [4, 5, 3, 11]

export const toySession = (
  config: OptimizerConfig,
  method: Method = "lora"
): Effect.Effect<Session, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { model } = yield* Effect.acquireRelease(Effect.sync(toyModel), ({ dispose }) => Effect.sync(dispose))
    const targets = ["block.**", "last.**"] as const
    const init: LoraInit = method === "pissa" ? { kind: "pissa" } : { kind: "kaiming" }
    const options = { rank: 2, alpha: 4, scaling: "standard", init } as const
    const adapted = yield* method === "lora" || method === "pissa"
      ? inject(model, lora, { ...options, targets })
      : method === "dora"
        ? inject(model, dora, { ...options, init: { kind: "kaiming" }, targets })
        : method === "full"
          ? inject(model, full, { targets })
          : inject(model, none, {})
    return yield* openSession(adapted, {
      optimizer: yield* fromConfig(mustBeDecided(config), STEPS),
      loss: crossEntropy
    })
  }).pipe(Effect.orDie)

const batchOf = (number: number): Batch => {
  const random = randomStream(number, "toy batch")
  const below = (n: number) => Math.floor(random() * n)
  return {
    size: ROWS,
    length: LENGTH,
    inputIds: Int32Array.from({ length: ROWS * LENGTH }, () => below(VOCABULARY)),
    tokenTypeIds: new Int32Array(ROWS * LENGTH),
    attentionMask: new Float32Array(ROWS * LENGTH).fill(1),
    labels: Int32Array.from({ length: ROWS }, () => below(CLASSES)),
    tokens: ROWS * LENGTH
  }
}

/** Takes steps; step n always sees batch n, and the position says so. */
export const takeSteps = (session: Session, count: number): Effect.Effect<void, StepError> =>
  Effect.gen(function* () {
    for (let i = 0; i < count; i++) {
      yield* takeStep(session, [batchOf(session.step)])
      session.position = { epoch: session.step >> 2, batch: session.step % 4 }
    }
  })

/** Every number of a session's state: the tree without tensors, then the tensors' values. */
export const stateOf = (session: Session) =>
  Effect.promise(async () => {
    const { tree, tensors } = storedState(session.optimizerState)
    const { trainable } = session.adapted
    const all = [...tensorsOf(trainable), ...frozenOf(trainable), ...tensors]
    const values = await Promise.all(all.map(async (tensor) => [tensor.shape, [...(await tensor.data())]] as const))
    return { step: session.step, position: session.position, tree, values }
  })

/** Runs with files and a scope. */
export const withFiles = <A, E>(effect: Effect.Effect<A, E, Sources | Scope.Scope>) =>
  Effect.runPromise(effect.pipe(Effect.scoped, Effect.provide(platform)))

/** A folder of its own for every call, removed after the tests of the file. */
export const temporaryFolders = (): (() => string) => {
  const root = mkdtempSync(join(tmpdir(), "tfjs-lora-pro-"))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  return () => mkdtempSync(join(root, "run-"))
}

/** What a checkpoint says besides the state. */
export const context = {
  best: null,
  name: "toy",
  plan: { seed: 1, adapter: { method: "lora" } },
  inputs: { "data.train": "ab" }
}

/** A run whose folder is `directory`. */
export const toyRun = (directory: string, checkpoint: CheckpointedRun["checkpoint"] = null): CheckpointedRun => ({
  checkpoints: join(directory, "checkpoints"),
  metrics: join(directory, "metrics.jsonl"),
  name: context.name,
  recordedPlan: context.plan,
  inputs: context.inputs,
  checkpoint
})

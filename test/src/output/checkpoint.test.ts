/**
 * A checkpoint gives back what was saved, bit for bit, for every kind of state; and one that is not what was written is known
 * before anything of it is used.
 */
import { beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as tf from "@tensorflow/tfjs"
import * as Effect from "effect/Effect"
import type { OptimizerConfig } from "../../../schemas/index.ts"
import { readCheckpoint, restoreCheckpoint } from "../../../src/output/checkpoint-read.ts"
import { takeSnapshot, writeCheckpoint } from "../../../src/output/checkpoint-write.ts"
import { readTensors } from "../../../src/safetensors/index.ts"
import { frozenOf } from "../../../src/tensors/trainable.ts"
import { expectNoLeak } from "../../setup.ts"
import { adamw, combinations, loraProFull, sgd } from "../training/optimizers.ts"
import { context, type Method, stateOf, takeSteps, temporaryFolders, toySession, withFiles } from "./toy-session.ts"

beforeAll(() => tf.setBackend("cpu"))
const folder = temporaryFolders()

/** A checkpoint of a session after `steps` steps; the folder it lies in. */
const saved = (config: OptimizerConfig, method: Method, steps: number, into: string) =>
  Effect.gen(function* () {
    const session = yield* toySession(config, method)
    yield* takeSteps(session, steps)
    const target = yield* writeCheckpoint(yield* takeSnapshot(session, context), into)
    return { session, target }
  })

const undamped: OptimizerConfig = { ...loraProFull, damping: 0 } as OptimizerConfig
const states: ReadonlyArray<readonly [Method, string, OptimizerConfig]> = [
  ...combinations,
  ["lora", "lora-pro full without damping", undamped],
  ["lora", "sgd without momentum, which keeps nothing", { ...sgd, momentum: 0 } as OptimizerConfig],
  ["lora", "adamw without clipping", { ...adamw, clipNorm: null } as OptimizerConfig],
  ["none", "sgd", sgd],
  ["pissa", "lora-pro full", loraProFull],
  ["pissa", "adamw", adamw]
]

describe("saved and restored, then stepped on, is as if never interrupted", () => {
  for (const [method, name, config] of states) {
    test(`${method}, ${name}`, () =>
      withFiles(
        Effect.gen(function* () {
          const { session, target } = yield* saved(config, method, 3, folder())
          const other = yield* toySession(config, method)
          // another state, of which nothing may remain
          yield* takeSteps(other, 1)
          yield* restoreCheckpoint(other, yield* readCheckpoint(target))
          const before = yield* stateOf(session)
          expect(before.step).toBe(3)
          expect(yield* stateOf(other)).toEqual(before)
          yield* takeSteps(session, 3)
          yield* takeSteps(other, 3)
          expect(yield* stateOf(other)).toEqual(yield* stateOf(session))
        })
      ))
  }

  for (const method of ["lora", "pissa"] as const) {
    test(`${method}: leaves no tensor behind but the state's own`, () =>
      withFiles(
        Effect.gen(function* () {
          const { session, target } = yield* saved(loraProFull, method, 2, folder())
          const restore = Effect.flatMap(readCheckpoint(target), (found) => restoreCheckpoint(session, found))
          yield* Effect.promise(() => expectNoLeak(() => withFiles(restore)))
        })
      ))
  }

  test("a snapshot of what is subtracted is given up as it is written", () =>
    withFiles(
      Effect.gen(function* () {
        const session = yield* toySession(adamw, "pissa")
        yield* takeSteps(session, 1)
        const write = Effect.flatMap(takeSnapshot(session, context), (taken) => writeCheckpoint(taken, folder()))
        yield* Effect.promise(() => expectNoLeak(() => withFiles(write)))
      })
    ))
})

describe("on disk", () => {
  test("a checkpoint is three files, and sha256sum's own list vouches for two of them", () =>
    withFiles(
      Effect.gen(function* () {
        const { target } = yield* saved(adamw, "lora", 1, folder())
        expect(target.endsWith("step-00000001")).toBe(true)
        expect(readdirSync(target).sort()).toEqual(["SHA256SUMS", "state.json", "state.safetensors"])
        const hash = (name: string) =>
          new Bun.CryptoHasher("sha256").update(readFileSync(join(target, name))).digest("hex")
        expect(readFileSync(join(target, "SHA256SUMS"), "utf8")).toBe(
          ["state.json", "state.safetensors"].map((name) => `${hash(name)}  ${name}\n`).join("")
        )
        const { optimizer: _, ...record } = JSON.parse(readFileSync(join(target, "state.json"), "utf8"))
        expect(record).toEqual({ format: 1, step: 1, position: { epoch: 0, batch: 1 }, ...context, trainable: 8 })
      })
    ))

  test("what pairs subtract is in it, and said, only where they do", () =>
    withFiles(
      Effect.gen(function* () {
        const { session, target } = yield* saved(adamw, "pissa", 1, folder())
        const { trainable, start } = JSON.parse(readFileSync(join(target, "state.json"), "utf8"))
        expect([trainable, start]).toEqual([8, 6])
        const stored = yield* readTensors(join(target, "state.safetensors"))
        for (const [i, tensor] of frozenOf(session.adapted.trainable).entries()) {
          const { shape, data } = stored.get(`start.${i}`)!
          expect([[...shape], data as unknown]).toEqual([tensor.shape, yield* Effect.promise(() => tensor.data())])
        }
        expect([...stored.keys()].filter((name) => name.startsWith("start."))).toHaveLength(6)
      })
    ))

  test("the same state is the same bytes", () =>
    withFiles(
      Effect.gen(function* () {
        const bytes = (target: string) =>
          readdirSync(target).map((name) => readFileSync(join(target, name)).toString("hex"))
        const [a, b] = [yield* saved(loraProFull, "lora", 2, folder()), yield* saved(loraProFull, "lora", 2, folder())]
        expect(bytes(a.target)).toEqual(bytes(b.target))
      })
    ))

  test("where the run folder is gone it is not made again, and nothing is left", () =>
    withFiles(
      Effect.gen(function* () {
        const run = folder()
        rmSync(run, { recursive: true })
        const error = yield* Effect.flip(saved(adamw, "lora", 1, join(run, "checkpoints")))
        expect(error).toMatchObject({ _tag: "FileError", action: "write" })
        expect(existsSync(run)).toBe(false)
      })
    ))
})

describe("a damaged checkpoint is told from a whole one:", () => {
  const flipBit = (file: string, at: number) => {
    const bytes = readFileSync(file)
    const index = at < 0 ? bytes.length + at : at
    bytes[index]! ^= 1
    writeFileSync(file, bytes)
  }
  const rewrite = (file: string, change: (text: string) => string) =>
    writeFileSync(file, change(readFileSync(file, "utf8")))
  const sums = (target: string) => {
    const line = (name: string) =>
      `${new Bun.CryptoHasher("sha256").update(readFileSync(join(target, name))).digest("hex")}  ${name}\n`
    writeFileSync(join(target, "SHA256SUMS"), line("state.json") + line("state.safetensors"))
  }
  const tensors = (target: string) => join(target, "state.safetensors")
  const record = (target: string) => join(target, "state.json")
  /** what happens to it, and what is said of it */
  const damages: Readonly<Record<string, readonly [(target: string) => void, RegExp]>> = {
    "the last bit of the tensors": [(t) => flipBit(tensors(t), -1), /state\.safetensors has a different SHA-256/],
    "the first bit of the tensors": [(t) => flipBit(tensors(t), 0), /state\.safetensors has a different SHA-256/],
    "truncated tensors": [(t) => truncateSync(tensors(t), 100), /state\.safetensors has a different SHA-256/],
    "empty tensors": [(t) => truncateSync(tensors(t), 0), /state\.safetensors has a different SHA-256/],
    "no tensors": [(t) => rmSync(tensors(t)), /state\.safetensors/],
    "another step number": [
      (t) => rewrite(record(t), (x) => x.replace('"step":2', '"step":3')),
      /state\.json has a different SHA-256/
    ],
    "truncated state.json": [(t) => truncateSync(record(t), 30), /state\.json has a different SHA-256/],
    "no state.json": [(t) => rmSync(record(t)), /state\.json/],
    "no SHA256SUMS": [(t) => rmSync(join(t, "SHA256SUMS")), /SHA256SUMS: no such file/],
    "SHA256SUMS of nothing": [(t) => writeFileSync(join(t, "SHA256SUMS"), ""), /state\.json has a different SHA-256/],
    "a state.json that is not JSON, summed": [
      (t) => {
        writeFileSync(record(t), "{ nonsense")
        sums(t)
      },
      /state\.json is not JSON/
    ],
    "a state.json of another format, summed": [
      (t) => {
        rewrite(record(t), (x) => x.replace('"format":1', '"format":9'))
        sums(t)
      },
      /Expected 1/
    ],
    "fewer tensors to subtract than state.json says, summed": [
      (t) => {
        rewrite(record(t), (x) => x.replace('"trainable":8', '"trainable":8,"start":6'))
        sums(t)
      },
      /0 of 6 frozen tensors/
    ],
    "fewer tensors than state.json says, summed": [
      (t) => {
        rewrite(record(t), (x) => x.replace('"trainable":8', '"trainable":9'))
        sums(t)
      },
      /8 of 9 trained tensors/
    ]
  }
  for (const [what, [damage, message]] of Object.entries(damages)) {
    test(what, () =>
      withFiles(
        Effect.gen(function* () {
          const { target } = yield* saved(adamw, "lora", 2, folder())
          expect((yield* readCheckpoint(target)).record.step).toBe(2)
          damage(target)
          const error = yield* Effect.flip(readCheckpoint(target))
          expect(error._tag).toBe("CheckpointError")
          expect(error.message).toStartWith(`the checkpoint ${target} is damaged: `)
          expect(error.message).toMatch(message)
          expect(error.message).not.toContain("\n")
        })
      )
    )
  }

  test("one of another model, which is whole, does not fit", () =>
    withFiles(
      Effect.gen(function* () {
        const { target } = yield* saved(adamw, "full", 1, folder())
        const session = yield* toySession(adamw, "lora")
        const before = yield* stateOf(session)
        const error = yield* Effect.flip(restoreCheckpoint(session, yield* readCheckpoint(target)))
        // compared before anything is given up
        expect(yield* stateOf(session)).toEqual(before)
        expect(error.message).toMatch(/trained tensor 0 has shape \[8,8\], the model's has \[2,8\]/)
        const none = yield* toySession(adamw, "none")
        const other = yield* Effect.flip(restoreCheckpoint(none, yield* readCheckpoint(target)))
        expect(other.message).toMatch(/it holds 8 trained tensors, the model has 2/)
        const subtracting = yield* saved(adamw, "pissa", 1, folder())
        const third = yield* Effect.flip(restoreCheckpoint(session, yield* readCheckpoint(subtracting.target)))
        expect(third.message).toMatch(/it holds 6 frozen tensors, the model has 0/)
        const others = yield* toySession(sgd, "lora")
        const momenta = yield* stateOf(others)
        const moments = yield* saved(adamw, "lora", 1, folder())
        const fourth = yield* Effect.flip(restoreCheckpoint(others, yield* readCheckpoint(moments.target)))
        expect(fourth.message).toMatch(/does not fit the model and the optimizer of this plan.*: optimizer/)
        expect(yield* stateOf(others)).toEqual(momenta)
      })
    ))

  test("a moved folder is still whole: nothing in it says where it lies", () =>
    withFiles(
      Effect.gen(function* () {
        const { target } = yield* saved(adamw, "lora", 2, folder())
        const moved = join(folder(), "elsewhere")
        renameSync(target, moved)
        expect((yield* readCheckpoint(moved)).record.step).toBe(2)
      })
    ))
})

/** A program for `mpirun` to start: what is asked of its ranks is the first argument. Rank 0 prints, as a command does. */
import { existsSync, writeFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node-shared/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { onRanks } from "../../../src/bin/ranks.ts"
import { LIMITS_VARIABLE, setLimitsFromText } from "../../../src/boundary/index.ts"
import { fromAll, onFirst, Ranks } from "../../../src/ranks/index.ts"

class Wrong extends Schema.TaggedError<Wrong>()("Wrong", { text: Schema.String }) {
  override get message() {
    return this.text
  }
}

const filled = (length: number, rank: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (7 * i + 31 * rank + 1) & 255)

/** Where bytes are not what `filled` would make of them. */
const isFilled = (bytes: Uint8Array, length: number, rank: number): boolean =>
  bytes.length === length && filled(length, rank).every((byte, i) => bytes[i] === byte)

const say = (text: string) => Effect.flatMap(Ranks, ({ rank }) => Effect.sync(() => rank === 0 && console.log(text)))
const sayBeside = (text: string) =>
  Effect.flatMap(Ranks, ({ rank }) => Effect.sync(() => rank === 0 && console.error(text)))

const scenarios = {
  /** Everything that ranks tell each other, of many lengths; each rank checks what it has, and rank 0 says how often all was well. */
  collectives: Effect.gen(function* () {
    const { rank, size, allGather, gather, broadcast, barrier } = yield* Ranks
    let right = 0
    const all = Array.from({ length: size }, (_, i) => i)
    const lengthsOf: ReadonlyArray<(of: number) => number> = [
      () => 0,
      () => 1,
      (of) => of,
      (of) => (of === 0 ? 0 : 100_003),
      (of) => 13 * (size - of),
      (of) => (of === size - 1 ? 3_000_001 : 17)
    ]
    for (const lengthOf of lengthsOf) {
      const own = filled(lengthOf(rank), rank)
      for (const lengths of [undefined, all.map(lengthOf)]) {
        const told = yield* allGather(own, lengths)
        if (told.every((bytes, of) => isFilled(bytes, lengthOf(of), of))) right++
        // whoever reads them as numbers may
        if (told.every(({ byteOffset }) => byteOffset % 8 === 0)) right++
      }
      const gathered = yield* gather(own)
      if (rank === 0 ? gathered.every((bytes, of) => isFilled(bytes, lengthOf(of), of)) : gathered.length === 0) right++
      const sent = yield* broadcast(filled(rank === 0 ? lengthOf(size) : 5, rank))
      if (isFilled(sent, lengthOf(size), 0)) right++
      yield* barrier
    }
    const ranks = yield* fromAll({ rank, right })
    const first = yield* onFirst(Effect.succeed({ of: rank }))
    yield* say(JSON.stringify({ size, ranks, first }))
  }),

  /** Milliseconds of an all-gather of the default plan's gradients from each rank. */
  latency: Effect.gen(function* () {
    const { size, allGather, barrier } = yield* Ranks
    const own = new Uint8Array(4 * 332_546)
    const lengths = Array.from({ length: size }, () => own.length)
    const took: Array<number> = []
    for (let i = 0; i < 200; i++) {
      yield* barrier
      const began = performance.now()
      yield* allGather(own, lengths)
      took.push(performance.now() - began)
    }
    took.sort((a, b) => a - b)
    yield* say(`${size} ranks: least ${took[0]!.toFixed(2)} ms, median ${took[100]!.toFixed(2)} ms`)
  }),

  /** The last rank fails in its third step, the others wait for it. */
  failure: Effect.gen(function* () {
    const { rank, size, barrier } = yield* Ranks
    for (let step = 1; ; step++) {
      if (step === 3 && rank === size - 1) return yield* new Wrong({ text: "step 3: the disk is full" })
      yield* barrier
    }
  }),

  /** All ranks have the same failure, the second one while the first still waits for the third to take what it gives. */
  "same failure": Effect.gen(function* () {
    const { rank, broadcast } = yield* Ranks
    if (rank === 2) yield* Effect.sleep(300)
    yield* broadcast(new Uint8Array(3_000_000))
    return yield* new Wrong({ text: "step 1: the loss is NaN" })
  }),

  /** Rank 0 fails, the others wait. Where a file is named, it fails once that is there, and says before it which processes it and its launcher are. */
  "first fails": Effect.gen(function* () {
    const { rank, barrier } = yield* Ranks
    const [, , , file] = process.argv
    yield* barrier
    if (file !== undefined) {
      yield* sayBeside(`process ${process.pid} of ${process.ppid}`)
      while (rank === 0 && !existsSync(file)) yield* Effect.sleep(10)
    }
    if (rank === 0) return yield* new Wrong({ text: "the disk of rank 0 is full" })
    yield* barrier
  }),

  /** Steps for ever, which stop where all agree, as a training loop's do. */
  steps: Effect.gen(function* () {
    const { rank, stop } = yield* Ranks
    let step = 0
    const loop = Effect.gen(function* () {
      while (true) {
        yield* Effect.sleep(20)
        const asked = yield* fromAll(stop.requested)
        step++
        if (step === 3) yield* sayBeside(`step 3, pids ${(yield* fromAll(process.pid)).join()}`)
        if (asked.includes(true)) {
          stop.agreed = true
          return yield* Effect.interrupt
        }
      }
    })
    yield* loop.pipe(
      Effect.onError(() =>
        Effect.gen(function* () {
          yield* Effect.sleep(20)
          if (rank === 0) console.error("step", step, "is saved; resume with --resume")
          if (rank === 0 && process.argv[3] !== undefined) writeFileSync(process.argv[3], String(step))
        })
      )
    )
  }),

  /** Waits for what never comes, with no one to agree on a stop. */
  waiting: Effect.gen(function* () {
    const { rank, barrier } = yield* Ranks
    yield* say(`pids ${(yield* fromAll(process.pid)).join()}`)
    if (rank === 0) yield* Effect.never
    yield* barrier
  }).pipe(Effect.onInterrupt(() => say("interrupted")))
} satisfies Readonly<Record<string, Effect.Effect<unknown, { readonly message: string }>>>

setLimitsFromText(process.env[LIMITS_VARIABLE] ?? "")

const name = process.argv[2] as keyof typeof scenarios
const scenario: Effect.Effect<unknown, { readonly message: string }> = scenarios[name]
NodeRuntime.runMain(
  scenario.pipe(
    onRanks,
    Effect.tapError(({ message }) => Effect.sync(() => console.error(message)))
  ),
  { disableErrorReporting: true }
)

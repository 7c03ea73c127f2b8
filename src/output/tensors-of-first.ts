/** Provides tensors of a file that only rank 0 can read to every rank: it reads one at a time and sends it before it reads the next. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { floats, onFirst, type RankError, Ranks } from "../ranks/index.ts"
import {
  bytesOf,
  forEachTensor,
  type HostTensor,
  type SafetensorsError,
  type StoredTensor
} from "../safetensors/index.ts"

/** Runs `forEachTensor` on every rank, over tensors that rank 0 reads. If reading fails, the other ranks fail with the same message. */
export const forEachTensorOfFirst = <E extends { readonly message: string }, R>(
  tensors: ReadonlyArray<StoredTensor>,
  use: (tensor: HostTensor, stored: StoredTensor) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | SafetensorsError | RankError, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const ranks = yield* Ranks
    if (ranks.size === 1) return yield* forEachTensor([...tensors], use)
    /** Sends from rank 0: each tensor after its name, then null or a failure. */
    const send = forEachTensor([...tensors], (tensor, stored) =>
      Effect.gen(function* () {
        yield* onFirst(Effect.succeed(stored.name))
        yield* ranks.broadcast(bytesOf(tensor.data))
        yield* use(tensor, stored)
      })
    )
    const next: Effect.Effect<string | null, E | SafetensorsError | RankError, R | FileSystem.FileSystem> = onFirst(
      Effect.as(send, null)
    )
    const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]))
    for (let name = yield* next; name !== null; name = yield* next) {
      const bytes = yield* ranks.broadcast(new Uint8Array())
      const stored = byName.get(name)!
      yield* use({ shape: stored.shape, data: floats.read(bytes) }, stored)
    }
  })

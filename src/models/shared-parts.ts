/**
 * What several models of one folder have in common, held once: the frozen weights, tensor by tensor, and the tokenizer.
 *
 * A model's parameters are never written to: what is trained is a copy of its own. So a second model of the same files may be computed with
 * the tensors of the first, whatever its adapter, its head and its kind are. A part is given back when the last model that has it goes.
 *
 * Parts are the same where the folder's files of weights and of the tokenizer are: by name, size, time of change and place on the disk. A file
 * that was replaced makes others, also while the old ones are in use.
 *
 * Absent (the default): every model has its own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as Scope from "effect/Scope"

interface Part {
  readonly value: unknown
  readonly dispose: () => void
  users: number
}

/** Reference-counted weights and other parts that several models in one process share. */
export interface SharedParts {
  /** Returns whether a part is in use. */
  readonly has: (key: string) => boolean
  /**
   * Returns the part of a key, which its first user creates; the scope releases it. All users of a key must expect the same type, so the key must
   * include everything that determines the part.
   */
  readonly part: <A>(key: string, make: () => A, dispose: (part: A) => void) => Effect.Effect<A, never, Scope.Scope>
}

/** Shared parts of the current process; null, the default: models share nothing. */
export const SharedParts = Context.Reference<SharedParts | null>("tfjs-lora-pro/SharedParts", {
  defaultValue: () => null
})

/**
 * Creates an empty store of shared parts.
 *
 * @example
 * import { Effect } from "effect"
 * import { loadRun } from "tfjs-lora-pro"
 * import { SharedParts, sharedParts } from "tfjs-lora-pro/models"
 *
 * const two = Effect.all([loadRun("runs/movies-1"), loadRun("runs/movies-2")]).pipe(
 *   Effect.provideService(SharedParts, sharedParts()) // the weights of their base are on the device once
 * )
 */
export const sharedParts = (): SharedParts => {
  const parts = new Map<string, Part>()
  const give = (key: string, part: Part) => {
    part.users -= 1
    if (part.users > 0) return
    parts.delete(key)
    part.dispose()
  }
  return {
    has: (key) => parts.has(key),
    part: <A>(key: string, make: () => A, dispose: (part: A) => void) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const known = parts.get(key)
          if (known !== undefined) {
            known.users += 1
            return known
          }
          const value = make()
          const part: Part = { value, dispose: () => dispose(value), users: 1 }
          parts.set(key, part)
          return part
        }),
        (part) => Effect.sync(() => give(key, part))
      ).pipe(Effect.map(({ value }) => value as A))
  }
}

const decides = (name: string) => /\.(safetensors|gguf)$|^(tokenizer|special_tokens).*\.json$/i.test(name)

/** Returns the part of a key, which an effect creates if no user has it. `key` null: the part is not shared. */
export const sharedPart = <A, E, R>(
  key: string | null,
  make: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const parts = yield* SharedParts
    if (parts === null || key === null) return yield* make
    const made = parts.has(key) ? undefined : { value: yield* make }
    const gone = () => {
      throw new Error(`${key} was given back while it was taken`)
    }
    return yield* parts.part<A>(key, made === undefined ? gone : () => made.value, () => {})
  })

/** Returns a key that identifies a model's files (its folder, or one file of it); undefined: nothing is shared, or the files cannot be inspected. */
export const sharedIdentity = (
  place: string
): Effect.Effect<string | undefined, never, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    if ((yield* SharedParts) === null) return undefined
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const real = yield* fs.realPath(place)
    const isFolder = (yield* fs.stat(real)).type === "Directory"
    const folder = isFolder ? real : path.dirname(real)
    const names = (yield* fs.readDirectory(folder)).filter(decides).sort()
    const files = yield* Effect.forEach(names, (name) =>
      Effect.map(fs.stat(path.join(folder, name)), ({ size, mtime, ino, dev }) =>
        [name, size, Option.getOrUndefined(mtime)?.getTime(), Option.getOrUndefined(ino), dev].join(" ")
      )
    )
    return JSON.stringify([real, ...files])
  }).pipe(Effect.orElseSucceed(() => undefined))

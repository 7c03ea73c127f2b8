/** A target of the fuzzers: what reads one kind of input, from its bytes to the value that the rest of the program trusts. */
import { join } from "node:path"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Sources } from "../../src/hub/index.ts"
import type { Random } from "../../src/numbers/random.ts"

/** Has to succeed, or to fail with an error of ours. */
export type Case = Effect.Effect<unknown, { readonly _tag: string; readonly message: string }, Sources | Scope.Scope>

/** Makes cases that write their input below `folder`. */
export type Target = (folder: string) => (random: Random) => Case

export const golden = (path: string) => join(import.meta.dirname, "..", "golden", path)

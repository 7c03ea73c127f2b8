/** The start of a run with `adapter.from`. Loaded only if a plan has it. */

import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import type { Adapted } from "../../adapters/index.ts"
import { counted } from "../boundary/index.ts"
import type { Runner } from "../kinds/index.ts"
import type { Network } from "../models/index.ts"
import { type PeftAdapter, readPeftAdapter } from "../peft/index.ts"
import { injectToRestore, type ResolvedPlan } from "../plan/index.ts"
import { notice } from "./progress.ts"

/** Returns the model with the adapter that the plan starts from. */
export const continued = (runner: Runner, model: Network, resolved: ResolvedPlan, from: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const source = yield* readPeftAdapter(from)
    const adapted = yield* injectToRestore(model, resolved)
    const { head, left } = yield* beginFromAdapter(runner, adapted, source)
    const layers = resolved.selected.sites.length
    const near = /^hf:/.test(from) ? from : path.relative(".", from)
    const withHead = head ? ", and its head (assuming the same order of classes)" : ""
    const anew =
      left.length === 0 ? "" : `; it has no head for this run, so a new one is initialized (${left.join(", ")})`
    yield* notice(
      `starts from the adapter of ${near.startsWith("..") ? from : near}: ${counted(layers, "layer")}${withHead}${anew}`
    )
    return adapted
  })

/** Replaces the initialized parameters by those of another adapter. Fails for kinds whose models PEFT does not support. */
export const beginFromAdapter = (runner: Runner, adapted: Adapted<Network>, source: PeftAdapter) =>
  runner.begin?.(adapted, source) ?? Effect.die(new Error("this kind of run cannot start from a PEFT adapter"))

/** What a plan should have said that has a model of one kind and rows of another. */
import * as Effect from "effect/Effect"
import type { RunPlan } from "../../schemas/index.ts"
import { namedModel } from "../suggest/index.ts"
import type { RunKind, World } from "./contract/index.ts"

/** A sentence where the plan's kind does not take such models and another of `kinds` does. */
export const otherFormats = (
  kinds: ReadonlyArray<Effect.Effect<Pick<RunKind, "detecting">>>,
  { detecting }: Pick<RunKind, "detecting">,
  { model: { source }, data: { format } }: RunPlan
): Effect.Effect<ReadonlyArray<string>, never, World> =>
  Effect.gen(function* () {
    const named = yield* namedModel(source)
    if (typeof named.modelType !== "string" || detecting.takes(named)) return []
    const all = yield* Effect.all(kinds)
    // the special ones are last
    const first = all.findLast((kind) => kind.detecting.takes(named))
    const same = all.filter((kind) => kind.detecting.takes === first?.detecting.takes)
    const formats = same.flatMap((kind) => Object.keys(kind.detecting.columns)).map((one) => `"${one}"`)
    if (formats.length === 0) return []
    return [
      `data.format: found "${format}" with a model of type "${named.modelType}"; expected ${formats.join(", ").replace(/, (?=[^,]*$)/, " or ")}`
    ]
  }).pipe(Effect.orElseSucceed(() => []))

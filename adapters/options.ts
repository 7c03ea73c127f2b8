/** Options of `inject` in code, decoded like the method's section of a plan, with the same defaults and error messages. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  count,
  decodeOptions,
  FullConfig,
  methodFacts,
  methodRules,
  withDefault,
  withoutUndefined
} from "../schemas/index.ts"
import type { Network } from "../src/models/index.ts"
import type { AdapterMethod } from "./adapter.ts"
import type { Calibrate } from "./init/calibration.ts"
import { InjectionError, type Selected, type Selection, select, selectionOf } from "./select.ts"

/** Selection of the layers for a method's options, and the inputs of its init. */
export interface InjectOptions<Options> extends Partial<Selection<Options>> {
  /** seed of the inits, which give each layer its own random stream, and of dropout; default 0 */
  readonly seed?: number
  /** calibration on training data, for inits that need it (LoRA-GA, EVA) */
  readonly calibrate?: Calibrate
}

/** Options of `inject`: those of the method's section of a plan, with its defaults. A custom method needs only `targets`: "all-linear". */
export type OptionsOf<Options, Section> = 0 extends 1 & Section
  ? Options & InjectOptions<Options>
  : { readonly [Key in Exclude<keyof Section, "from">]?: Section[Key] | undefined } & Pick<
      InjectOptions<Options>,
      "seed" | "calibrate"
    >

const seedField = count(0, "Seed of all random numbers of the adapter.").pipe(withDefault(0))

const saved = {
  path: "adapter.from",
  message: "inject starts a new adapter; to continue a saved one, use readPlan and train, or loadAdapter"
}

const failed = (problems: InjectionError["problems"]) => Result.fail(new InjectionError({ problems }))

/**
 * Returns the selection in a model, and the seed. For a custom method without a section, or with a tag that no plan has, options are
 * used unchanged, and layers are selected as for `full`.
 */
export const selectedBy = <Options extends object>(
  model: Network,
  method: AdapterMethod<Options>,
  { seed: seedOption, calibrate: _, ...planned }: InjectOptions<Options>
): Result.Result<{ readonly selected: Selected<Options>; readonly seed: number }, InjectionError> => {
  const { targets, exclude, modulesToSave, overrides, ...methodOptions } = planned
  const section = Object.hasOwn(methodFacts, method.tag) ? method.section : undefined
  const of =
    section === undefined ? { method: "full", targets, exclude, modulesToSave } : { method: method.tag, ...planned }
  const fields = Schema.Struct({ adapter: section ?? FullConfig, seed: seedField })
  const decoded = decodeOptions(fields, { adapter: withoutUndefined(of), seed: seedOption }, methodRules)
  if (Result.isFailure(decoded)) return failed(decoded.failure)
  const { adapter, seed } = decoded.success
  if ("from" in adapter) return failed([saved])
  const { options, selection } = selectionOf(adapter)
  const chosen = (section === undefined ? { ...selection, overrides } : selection) as Selection<Options>
  const decodable = (section === undefined ? methodOptions : options) as Options
  return Result.map(select(model, method, decodable, chosen), (selected) => ({ selected, seed }))
}

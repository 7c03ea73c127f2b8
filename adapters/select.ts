/**
 * Selects layers from a plan's targets: `validate` prints and `inject` adapts the same result.
 *
 * Targets are patterns over layer names, as in `encoder.layer.*.attention.**`:
 *
 *   `*`   exactly one segment (or part of one: `*_lin`)      `**`  any number of segments, including none
 *   a name without a dot matches any layer that ends in that segment, as in PEFT's target lists: `query`
 *
 * Every pattern must match a layer. Otherwise a typo silently trains fewer layers (peft#3582); here it is an error that lists
 * the most similar names. Needs names and shapes only. All problems are collected.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  type AdapterConfig,
  closest,
  type LoraOverride,
  type SitePattern,
  type TargetPreset
} from "../schemas/index.ts"
import { limit, listedLines, overLimit, wholeNumber } from "../src/boundary/index.ts"
import type { ModelDescription } from "../src/models/index.ts"
import type { LinearSite } from "../src/tensors/index.ts"
import type { AdapterMethod, SiteSize } from "./adapter.ts"

/**
 * Error of an adapter that does not fit the model: patterns without a match, ranks too large for a layer. Lists all
 * problems at once, each with the path of its field.
 */
export class InjectionError extends Schema.TaggedError<InjectionError>()("InjectionError", {
  /** problems in the order of the fields; at least one */
  problems: Schema.Array(
    Schema.Struct({
      /** dotted path of the field: "adapter.targets.0"; "adapter" if the problem concerns the whole section */
      path: Schema.String,
      /** invalid value and expected values */
      message: Schema.String
    })
  )
}) {
  override get message() {
    return listedLines(this.problems, ({ path, message }) => `${path}: ${message}`)
  }
}

/** Layers that a method's options apply to. Later overrides take precedence over earlier ones. */
export interface Selection<Options> {
  /** a preset, or patterns of layers, each of which must match at least one */
  readonly targets: TargetPreset | ReadonlyArray<SitePattern>
  /** layers to exclude from the targets; default: none */
  readonly exclude?: ReadonlyArray<SitePattern> | undefined
  /** options for some of the layers; default: none */
  readonly overrides?:
    | ReadonlyArray<
        {
          /** patterns of the selected layers; a pattern without a match is an error */
          readonly targets: ReadonlyArray<SitePattern>
        } & Partial<Options>
      >
    | undefined
  /** additional modules (norms, embeddings) to train in full and save with the adapter; default: none */
  readonly modulesToSave?: ReadonlyArray<SitePattern> | undefined
}

/** An adapted layer with its options after overrides. */
export interface SelectedSite<Options> {
  /** the layer, with its sizes */
  readonly site: LinearSite
  /** the method's options, with the overrides that match the layer */
  readonly options: Options
}

/** Rank of each selected layer, by name, in their order; 0: not adapted. */
export type SiteRanks = Readonly<Record<string, number>>

/** Selection of an adapter's options in a model: the adapted layers, and the parameters trained in full. */
export interface Selected<Options> {
  /** adapted layers, in the model's order */
  readonly sites: ReadonlyArray<SelectedSite<Options>>
  /** parameter names of the modules to save */
  readonly parameters: ReadonlyArray<string>
  /** ranks that an init decided (`ranks.ts`): already in the options of `sites`, without layers of rank 0; absent: the plan's ranks */
  readonly ranks?: SiteRanks
}

type Described = Pick<ModelDescription, "sites" | "parameters" | "prefix">

/** Splits a plan's adapter section for `select` into the method's options and the selection. */
export const selectionOf = (
  adapter: AdapterConfig
): {
  /** the method's options: rank, α, dropout, init */
  readonly options: object
  /** layers that they apply to */
  readonly selection: Selection<object>
} => {
  const {
    method: _,
    from: __,
    targets = [],
    exclude = [],
    overrides = [],
    modulesToSave,
    ...options
  } = adapter as AdapterConfig & {
    readonly from?: string
    readonly targets?: Selection<object>["targets"]
    readonly exclude?: ReadonlyArray<SitePattern>
    readonly overrides?: ReadonlyArray<LoraOverride>
  }
  return { options, selection: { targets, exclude, overrides, modulesToSave } }
}

/** Returns the size of all layers together. */
export const adapterSize = <Options>(
  method: AdapterMethod<Options>,
  sites: ReadonlyArray<SelectedSite<Options>>
): Required<SiteSize> => {
  const sizes = sites.map(({ site, options }) => method.size(site, options))
  const sum = (of: keyof SiteSize) => sizes.reduce((total, size) => total + (size[of] ?? 0), 0)
  const shared = sites.length === 0 ? 0 : (method.shared?.size(sites) ?? 0)
  return {
    factors: sum("factors"),
    dense: sum("dense"),
    frozen: sum("frozen") + shared,
    state: sum("state"),
    formed: sum("formed")
  }
}

const withoutTargets = <T extends { readonly targets: unknown }>({ targets: _, ...rest }: T) => rest

const moduleOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf("."))

/** Selects layers with their options; fails with every problem at once. */
export const select = <Options extends object>(
  model: Described,
  method: AdapterMethod<Options>,
  options: Options,
  selection: Selection<Options>
): Result.Result<Selected<Options>, InjectionError> => {
  const { prefix } = model
  const means = (patterns: ReadonlyArray<SitePattern>, name: string) =>
    patterns.some((pattern) => matches(pattern, name, prefix))
  const named = (patterns: ReadonlyArray<SitePattern>) => model.sites.filter((site) => means(patterns, site.name))
  const { targets, exclude = [], overrides = [], modulesToSave = [] } = selection
  const patterns = [targets, exclude, modulesToSave, ...overrides.map((override) => override.targets)]
  const count = patterns.reduce((sum, pattern) => sum + (typeof pattern === "string" ? 0 : pattern.length), 0)
  if (count > limit("adapter-patterns")) {
    const message = `found ${wholeNumber(count)} patterns in all, more than ${overLimit("adapter-patterns")}`
    return Result.fail(new InjectionError({ problems: [{ path: "adapter", message }] }))
  }
  const targeted = typeof targets === "string" ? preset(targets, model.sites) : named(targets)
  const chosen = targeted.filter((site) => !means(exclude, site.name))
  const adapts = method.trains !== "nothing"
  const sites = (adapts ? chosen : []).map((site) => ({
    site,
    // later overrides win
    options: Object.assign({}, options, ...overrides.filter((o) => means(o.targets, site.name)).map(withoutTargets))
  }))
  const names = sites.map(({ site }) => site.name)
  const modules = [...new Set(model.parameters.map(({ name }) => moduleOf(name)))].filter((m) => !names.includes(m))
  const problems = [
    ...(typeof targets === "string" || !adapts
      ? []
      : unmatched(
          targets,
          model.sites.map((site) => site.name),
          prefix,
          "adapter.targets",
          "linear layer"
        )),
    ...unmatched(
      exclude,
      targeted.map((site) => site.name),
      prefix,
      "adapter.exclude",
      "targeted layer"
    ),
    ...(adapts && targeted.length === 0 && typeof targets === "string" ? [nothingCalled(targets)] : []),
    ...(targeted.length > 0 && chosen.length === 0 && adapts ? [everythingExcluded] : []),
    ...overrides.flatMap((override, i) =>
      unmatched(override.targets, names, prefix, `adapter.overrides.${i}.targets`, "targeted layer")
    ),
    ...unmatched(modulesToSave, modules, prefix, "adapter.modulesToSave", "module that is not adapted already"),
    ...dropoutProblems(method, sites),
    ...sites.flatMap(({ site, options }) => {
      const message = method.problem?.(site, options)
      if (message === undefined) return []
      const last = overrides.findLastIndex((o) => "rank" in o && means(o.targets, site.name))
      return [{ path: last < 0 ? "adapter.rank" : `adapter.overrides.${last}.rank`, message }]
    })
  ]
  if (problems.length > 0) return Result.fail(new InjectionError({ problems: condensed(problems) }))
  // an adapted site is never also saved, however wide the pattern
  const saved = new Set(modules.filter((module) => means(modulesToSave, module)))
  const parameters = model.parameters.map(({ name }) => name).filter((name) => saved.has(moduleOf(name)))
  return Result.succeed({ sites, parameters })
}

/** A plan's rate was checked when it was decoded; this is for options given in code. */
const dropoutProblems = <Options>(
  method: AdapterMethod<Options>,
  sites: ReadonlyArray<SelectedSite<Options>>
): ReadonlyArray<{ readonly path: string; readonly message: string }> => {
  const rates = new Set(sites.map(({ site, options }) => method.dropout?.(site, options) ?? 0))
  return [...rates]
    .filter((rate) => !(rate >= 0 && rate < 1))
    .map((rate) => ({
      path: "adapter.dropout",
      message: `found ${rate}; expected a number from 0 up to, not including, 1`
    }))
}

/** An embedding is adapted where a pattern names it, as in PEFT. */
const preset = (name: TargetPreset, sites: ReadonlyArray<LinearSite>): ReadonlyArray<LinearSite> =>
  name === "all-linear" ? sites.filter(({ kind }) => kind !== "embedding") : sites.filter(({ part }) => part === name)

const nothingCalled = (name: TargetPreset) => ({
  path: "adapter.targets",
  message: `found "${name}", but no linear layer of this model has that name; expected layer patterns, or "all-linear"`
})

const everythingExcluded = {
  path: "adapter.exclude",
  message: "excludes all targeted layers; expected fewer patterns here, or more targets"
}

/** At most three problems per path in full: a rank too large for 36 layers is one mistake, not 36. */
const condensed = (problems: ReadonlyArray<{ readonly path: string; readonly message: string }>) => {
  const byPath = Map.groupBy(problems, ({ path }) => path)
  return [...byPath].flatMap(([path, layers]) => {
    const examples = layers.slice(0, 3)
    return layers.length <= 3
      ? examples
      : [...examples, { path, message: `and ${layers.length - 3} more layers with the same problem` }]
  })
}

/** The segments of a dotted glob. */
const segmentsOf = (pattern: SitePattern): ReadonlyArray<string> =>
  pattern.includes(".") || pattern === "**" ? pattern.split(".") : ["**", pattern]

/** `*` is any text. The leftmost place of each piece between two stars leaves the most room for the next. */
const segmentMatches = (segment: string, text: string): boolean => {
  if (segment === "*" || segment === text) return true
  if (!segment.includes("*")) return false
  const [first = "", ...rest] = segment.split("*")
  const last = rest.pop()!
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const piece of rest) {
    const match = text.indexOf(piece, at)
    if (match < 0 || match + piece.length > end) return false
    at = match + piece.length
  }
  return true
}

/**
 * Does a glob mean this name? Without a regular expression: those backtrack, and a pattern of 300 stars would never end. Here the time is
 * at most the length of the pattern times that of the name.
 */
const globMatches = (segments: ReadonlyArray<string>, name: string): boolean => {
  const parts = name.split(".")
  // reached[j]: the segments so far can mean the first j parts
  const reached = [true, ...parts.map(() => false)]
  for (const segment of segments) {
    if (segment === "**") {
      for (let j = 1; j <= parts.length; j++) reached[j] ||= reached[j - 1]!
    } else {
      for (let j = parts.length; j > 0; j--) reached[j] = reached[j - 1]! && segmentMatches(segment, parts[j - 1]!)
      reached[0] = false
    }
  }
  return reached.at(-1) === true
}

/** Returns whether a pattern matches a name. The checkpoint's prefix (`bert.`) may be included or omitted. */
export const matches = (pattern: SitePattern, name: string, prefix: string): boolean => {
  if (!pattern.includes("*") && pattern.includes(".")) return pattern === name || pattern === prefix + name
  const segments = segmentsOf(pattern)
  return globMatches(segments, name) || (prefix !== "" && globMatches(segments, prefix + name))
}

/** Returns a sentence per pattern that matches none of `names`. `where`: the patterns' path in the plan. */
export const unmatched = (
  patterns: ReadonlyArray<SitePattern>,
  names: ReadonlyArray<string>,
  prefix: string,
  where: string,
  kind: string
): ReadonlyArray<{
  /** path of the pattern in the plan: `where` and its index */
  readonly path: string
  /** the pattern, and the most similar names */
  readonly message: string
}> =>
  patterns.flatMap((pattern, i) =>
    names.some((name) => matches(pattern, name, prefix))
      ? []
      : [
          {
            path: `${where}.${i}`,
            message: `found ${JSON.stringify(pattern)}, which matches no ${kind} of the model; nearest: ${nearest(pattern, names)}`
          }
        ]
  )

const nearest = (pattern: SitePattern, names: ReadonlyArray<string>): string => {
  const last = (name: string) => name.slice(name.lastIndexOf(".") + 1)
  const segment = closest(last(pattern), [...new Set(names.map(last))])
  const candidates = segment === undefined ? names : names.filter((name) => last(name) === segment)
  const examples = candidates.slice(0, 3).join(", ")
  return candidates.length > 3 ? `${examples}, … (${candidates.length})` : examples
}

/**
 * A Hugging Face PEFT adapter before any of its values are read: its configuration, the tensors in its file's header, and the equivalent `adapter`
 * section of a plan.
 *
 *   adapter_config.json          what it is; `config.ts` says which of it is read
 *   adapter_model.safetensors    base_model.model.<module>.<PEFT's name of a factor>, and modules that were trained themselves
 *   head.safetensors             in a folder that this package wrote: a head over mean pooling
 *
 * Modules are those with tensors in the file, and the configuration must match each of them: PEFT would silently ignore the others. A module that
 * it matches but that has no tensors computes the same as in the base, in PEFT and here.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { limit, listed, listedLines, overLimit, quoted, wholeNumber } from "../boundary/index.ts"
import { isUrl, parseBoundedJson, readTextFile } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import { adapterPlaceOf, families, Vision } from "../models/index.ts"
import { readHeader, readStoredBytes, type StoredTensor } from "../safetensors/index.ts"
import { type PeftConfig, peftConfigOf } from "./config.ts"
import { type Matched, matched } from "./matching.ts"

export class PeftError extends Schema.TaggedError<PeftError>()("PeftError", {
  /** the adapter as the caller named it */
  source: Schema.String,
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return listedLines(this.problems, (problem) => `${this.source}: ${problem}`)
  }
}

export const ADAPTER_CONFIG = "adapter_config.json"
export const ADAPTER_WEIGHTS = "adapter_model.safetensors"
const HEAD = "head.safetensors"
/** PEFT's file format from before it supported safetensors; not read */
const PICKLE = "adapter_model.bin"

/** An adapted layer of a head that the run trains as a whole. Its weight is initialized to W + s·BA. */
export interface FoldedLayer {
  readonly module: string
  readonly scale: number
}

export interface PeftAdapter {
  /** the adapter as the caller named it */
  readonly source: string
  /** the adapter's folder on this machine */
  readonly folder: string
  readonly config: PeftConfig
  /** the `adapter` section of a plan, without `from` */
  readonly section: Readonly<Record<string, unknown>>
  /** the prefix that `bareName` removes: "bert." for BertForSequenceClassification, "" for other classes */
  readonly prefix: string
  /** tensors of `adapter_model.safetensors` by `bareName` */
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** tensors of a head over mean pooling; empty if the folder has no such head */
  readonly head: ReadonlyMap<string, StoredTensor>
  readonly folded: ReadonlyArray<FoldedLayer>
}

const START = "base_model.model."

const encoders = Object.values(families)
const headModules = [...new Set(encoders.flatMap((family) => family.headModules))]
const imageFamilies = Object.values(Vision.imageFamilies).filter(({ prefix }) => prefix !== "")
const backbones: ReadonlyArray<{ readonly prefix: string; readonly modules?: RegExp }> = [...encoders, ...imageFamilies]

/**
 * Removes the prefix that only a classification class adds to a module's or tensor's name (`bert.` of BertForSequenceClassification, which
 * BertModel does not have), and replaces names from earlier versions of the class. Names of language models are the same in every supported class.
 */
export const bareName = (name: string): string => {
  const module = name.startsWith(START) ? name.slice(START.length) : name
  const prefix = prefixOf(module)
  const bare = module.slice(prefix.length)
  // only with its prefix does a name say which family it is of
  return imageFamilies.find((family) => family.prefix === prefix)?.currentName(bare) ?? bare
}

const prefixOf = (name: string): string =>
  backbones.find(({ prefix, modules }) => name.startsWith(prefix) && modules?.test(name.slice(prefix.length)) !== false)
    ?.prefix ?? ""

/** Returns whether a module belongs to the head of a classification class. */
const isOfHead = (module: string): boolean =>
  headModules.some((head) => module === head || module.startsWith(`${head}.`)) || module === "score"

/** Returns the folder of an adapter: a local one, RUN/adapter if a run's folder is named, or one in the Hub's cache. */
const folderOf = (source: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const fail = (problem: string) => new PeftError({ source, problems: [problem] })
    if (isUrl(source)) return yield* fail("is a URL; expected a folder, or hf:owner/name")
    const folder = yield* adapterPlaceOf(source).pipe(
      Effect.mapError(({ problems }) => new PeftError({ source, problems }))
    )
    const there = (...names: ReadonlyArray<string>) =>
      fs.exists(path.join(folder, ...names)).pipe(Effect.orElseSucceed(() => false))
    if (yield* there(ADAPTER_CONFIG)) {
      if (yield* there(ADAPTER_WEIGHTS)) return folder
      return yield* fail(
        (yield* there(PICKLE))
          ? `has its weights in adapter_model.bin, a pickle, which can run arbitrary code when it is read; if you trust it, load the adapter with PEFT in Python and save it with save_pretrained(…, safe_serialization=True)`
          : `${ADAPTER_WEIGHTS} is missing`
      )
    }
    if (yield* there("plan.json")) {
      if (yield* there("adapter", ADAPTER_CONFIG)) return path.join(folder, "adapter")
      return yield* fail(
        (yield* there("adapter"))
          ? `is a run whose adapter PEFT cannot store (adapter/${ADAPTER_CONFIG} is missing): its method trains only weights or a head; merge it, and use the merged model as model.source`
          : "is a run without an adapter/, so it is not finished"
      )
    }
    if (!(yield* there("."))) return yield* fail("no such folder")
    const weights = [ADAPTER_WEIGHTS, PICKLE]
    const [alone] = yield* Effect.filter(weights, (name) => there(name))
    return yield* fail(
      alone === undefined
        ? `${ADAPTER_CONFIG} is missing; expected a folder written by PEFT's save_pretrained, or a run folder`
        : `${ADAPTER_CONFIG} is missing, without which ${alone} cannot be read: it contains the rank, α and layer names; copy it from where the adapter was saved (PEFT's save_pretrained writes both)`
    )
  })

/** Reads the folder of an adapter from its headers. Fails with everything that is invalid or not supported at once. */
export const readPeftAdapter = (source: string): Effect.Effect<PeftAdapter, PeftError, Sources> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* folderOf(source)
    const failed = (problems: ReadonlyArray<string>) => new PeftError({ source, problems })
    const text = yield* readTextFile(path.join(folder, ADAPTER_CONFIG), "plan-bytes").pipe(
      Effect.mapError(({ reason }) => failed([`${ADAPTER_CONFIG} ${reason}`]))
    )
    const parsed = parseBoundedJson(text)
    if ("problem" in parsed) return yield* failed([`${ADAPTER_CONFIG} ${parsed.problem}`])
    const headerOf = (file: string) =>
      readHeader(path.join(folder, file)).pipe(
        Effect.mapError(({ problems }) => failed(problems.map((problem) => `${file}: ${problem}`)))
      )
    const { tensors } = yield* headerOf(ADAPTER_WEIGHTS)
    const read = peftConfigOf(parsed.value)
    if ("problems" in read) return yield* failed(read.problems.map((problem) => `${ADAPTER_CONFIG}: ${problem}`))
    const { config } = read
    const sites = yield* withoutCopies(sitesIn(config, tensors), tensors).pipe(
      Effect.mapError(({ problems }) => failed(problems))
    )
    const { section, folded, problems } = sectionOf(config, sites)
    const all = [...sites.problems, ...problems]
    if (all.length > 0) return yield* failed(all)
    const hasHead = yield* fs.exists(path.join(folder, HEAD)).pipe(Effect.orElseSucceed(() => false))
    return {
      source,
      folder,
      config,
      section,
      prefix: prefixOf([...sites.sites.keys()][0]!),
      tensors: new Map([...tensors].map(([name, tensor]) => [bareName(name), tensor])),
      head: hasHead ? (yield* headerOf(HEAD)).tensors : new Map<string, StoredTensor>(),
      folded
    }
  })

/** Returns the files of an adapter that are read: its configuration, its tensors, and its head if it has one. */
export const peftFiles = (source: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const folder = yield* folderOf(source)
    const names = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, HEAD].map((name) => path.join(folder, name))
    return yield* Effect.filter(names, (name) => fs.exists(name).pipe(Effect.orElseSucceed(() => false)))
  })

type Tensors = ReadonlyMap<string, StoredTensor>

interface Sites {
  /** stored tensors of each adapted module, by PEFT's names */
  readonly sites: ReadonlyMap<string, ReadonlyMap<string, StoredTensor>>
  /** modules trained as a whole */
  readonly saved: ReadonlyArray<string>
  /** whether there are more names, or longer ones, than are matched with patterns */
  readonly tooMuch: boolean
  readonly problems: ReadonlyArray<string>
}

const sitesIn = ({ reading, shared }: PeftConfig, tensors: Tensors): Sites => {
  const parts = Object.keys(reading.tensors)
  const sites = new Map<string, Map<string, StoredTensor>>()
  const saved = new Set<string>()
  const foreign: Array<string> = []
  for (const [name, tensor] of tensors) {
    if (shared.some((sharedName) => name === `base_model.${sharedName}`)) continue
    const siteName = name.startsWith(START) ? name.slice(START.length) : undefined
    const part = parts.find((part) => siteName?.endsWith(`.${part}`))
    if (siteName !== undefined && part !== undefined) {
      const module = siteName.slice(0, -part.length - 1)
      const site = sites.get(module) ?? new Map<string, StoredTensor>()
      sites.set(module, site.set(part, tensor))
    } else if (
      siteName === undefined ||
      /(^|[._])(lora|vera|adalora|ia3|hada|lokr|token_adapter|base_layer)([._]|$)/.test(siteName)
    ) {
      foreign.push(name)
    } else saved.add(siteName.slice(0, Math.max(0, siteName.lastIndexOf("."))))
  }
  const embeddings = foreign.filter((name) => name.includes("lora_embedding"))
  const unknown = foreign.filter((name) => !name.includes("lora_embedding"))
  const tooMany = sites.size > limit("adapter-patterns")
  const longest = [...tensors.keys()].find((name) => name.length > limit("pattern-characters"))
  return {
    sites,
    saved: [...saved],
    tooMuch: tooMany || longest !== undefined,
    problems: [
      ...(embeddings.length === 0 ? [] : [`adapts embeddings (${some(embeddings)}), which is not supported`]),
      ...(unknown.length === 0 ? [] : [`${ADAPTER_WEIGHTS} holds unsupported tensors: ${some(unknown)}`]),
      ...(sites.size > 0 || foreign.length > 0 ? [] : [`${ADAPTER_WEIGHTS} holds no factors of any layer`]),
      ...(longest === undefined
        ? []
        : [`${ADAPTER_WEIGHTS} has the name ${quoted(longest)}, longer than ${overLimit("pattern-characters")}`]),
      ...(tooMany ? [`adapts ${wholeNumber(sites.size)} layers, more than ${overLimit("adapter-patterns")}`] : [])
    ]
  }
}

const OUTPUT_LAYER = "lm_head"

const EMBEDDING = /\.(embed_tokens|wte)$/
/** T5's shared embedding, which both of its stacks use, each through a module of its own */
const SHARED_EMBEDDING = "shared"

/**
 * Removes copies of tied embeddings: an output layer tied to the embedding and the stacks' own embeddings are not separate modules here, but PEFT
 * saves all of them with the same values, since it does not tie modules that it trains.
 */
const withoutCopies = (sites: Sites, tensors: Tensors) =>
  Effect.gen(function* () {
    const { saved } = sites
    const embedding =
      saved.find((module) => module === SHARED_EMBEDDING) ?? saved.find((module) => EMBEDDING.test(module))
    const table = tensors.get(`${START}${embedding}.weight`)
    if (table === undefined) return sites
    const mayBe = (module: string) =>
      module !== embedding && (module === OUTPUT_LAYER || (embedding === SHARED_EMBEDDING && EMBEDDING.test(module)))
    const isCopy = (module: string) =>
      Effect.gen(function* () {
        const other = tensors.get(`${START}${module}.weight`)
        if (!mayBe(module) || other === undefined || other.end - other.begin !== table.end - table.begin) return false
        const [one, two] = [yield* readStoredBytes(table), yield* readStoredBytes(other)]
        return one.every((byte, i) => byte === two[i])
      })
    const copies = yield* Effect.filter(saved, isCopy)
    return { ...sites, saved: saved.filter((module) => !copies.includes(module)) }
  })

/** Lists a few names and counts the rest. */
const some = (names: ReadonlyArray<string>): string =>
  names.length <= 4 ? names.join(", ") : `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`

interface SiteSizes {
  readonly module: string
  readonly rank: number
  readonly alpha: number
}

type Written = Readonly<Record<string, unknown>>

/** Returns the section equivalent to the configuration, by the module names in the file, and the contradictions between the two. */
const sectionOf = (
  config: PeftConfig,
  { sites, saved, tooMuch }: Sites
): {
  readonly section: Written
  readonly folded: ReadonlyArray<FoldedLayer>
  readonly problems: ReadonlyArray<string>
} => {
  const { reading, sizes: { scale } = {} } = config
  const modules = [...sites.keys()]
  // reported already, and not read
  if (tooMuch) return { section: {}, folded: [], problems: [] }
  const rules = matched(config.matching, config.modulesToSave)
  const sizes = sizesOf(config, rules, modules)
  const problems = [
    ...agreement(rules, modules),
    ...sizes.flatMap((size) => shapeProblem(config, size, sites.get(size.module)!) ?? [])
  ]
  const folded = reading.added === undefined ? [] : sizes.filter(({ module }) => isOfHead(bareName(module)))
  const adapted = sizes.filter((size) => !folded.includes(size))
  const body = saved.map(bareName).filter((module) => !isOfHead(module))
  return {
    section: {
      ...config.section,
      ...overridesOf(config, adapted),
      targets: adapted.map(({ module }) => bareName(module)),
      ...(body.length === 0 ? {} : { modulesToSave: body })
    },
    folded: folded.map(({ module, rank, alpha }) => ({
      module: bareName(module),
      scale: scale!(rank, alpha)
    })),
    problems: [
      ...listed([...new Set([...rules.problems.map((problem) => `${ADAPTER_CONFIG}: ${problem}`), ...problems])])
    ]
  }
}

/** Returns the rank and α of each module from the configuration. */
const sizesOf = ({ sizes }: PeftConfig, rules: Matched, modules: ReadonlyArray<string>): ReadonlyArray<SiteSizes> => {
  if (sizes === undefined) return modules.map((module) => ({ module, rank: 0, alpha: 0 }))
  const rankAt = rules.patternValue(sizes.rankPattern)
  const alphaAt = rules.patternValue(sizes.alphaPattern)
  return modules.map((module) => ({
    module,
    rank: rankAt(module) ?? sizes.rank,
    alpha: alphaAt(module) ?? sizes.alpha
  }))
}

const agreement = (rules: Matched, modules: ReadonlyArray<string>): ReadonlyArray<string> => {
  const unmeant = modules.filter((module) => !rules.isTarget(module))
  if (unmeant.length === 0) return []
  return [`${ADAPTER_WEIGHTS} holds factors of layers that target_modules does not match: ${some(unmeant)}`]
}

/** Returns how a site's tensors differ from the expected shapes. */
const shapeProblem = (
  { reading }: PeftConfig,
  { module, rank }: SiteSizes,
  stored: ReadonlyMap<string, StoredTensor>
): string | undefined => {
  const missing = Object.keys(reading.tensors).find((part) => !stored.has(part))
  if (missing !== undefined) return `${ADAPTER_WEIGHTS}: ${START}${module}.${missing} is missing`
  const factors = Object.entries(reading.tensors).flatMap(([part, axis]) =>
    axis === null ? [] : [{ axis, shape: stored.get(part)!.shape }]
  )
  if (factors.every(({ axis, shape }) => shape.length === 2 && shape[axis] === rank)) return undefined
  const shapes = factors.map(({ shape }) => `[${shape}]`).join(" and ")
  return `${ADAPTER_WEIGHTS}: ${module} has factors of shapes ${shapes}, and ${ADAPTER_CONFIG} says rank ${rank}`
}

/** Returns the layers whose rank or α differs from the section's. */
const overridesOf = ({ sizes }: PeftConfig, sites: ReadonlyArray<SiteSizes>): Written => {
  const others = Map.groupBy(
    sites.filter((site) => sizes !== undefined && (site.rank !== sizes.rank || site.alpha !== sizes.alpha)),
    (site) => `${site.rank} ${site.alpha}`
  )
  if (others.size === 0) return {}
  const overrides = [...others.values()].map((site) => ({
    targets: site.map(({ module }) => bareName(module)),
    rank: site[0]!.rank,
    alpha: site[0]!.alpha
  }))
  return { overrides }
}

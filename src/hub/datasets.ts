/**
 * Rows of a dataset on the Hub, as files of the cache:
 *
 *   hf:datasets/owner/name      hf:datasets/owner/name/config      hf:datasets/owner/name/config/split
 *   hf:datasets/owner/name/folder/rows.jsonl      each also with @revision
 *
 * Rows are read from Parquet files: of the named revision, the dataset's own; otherwise those that the Hub converts every dataset to (branch
 * refs/convert/parquet), or the dataset's own if it has not been converted. The files of a commit are listed in a file next to the snapshots,
 * so that an offline split is either complete or missing.
 */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import { isRecord, listed } from "../boundary/index.ts"
import { type Files, parseBoundedJson, readTextFile, writeFileAtomic } from "../files/index.ts"
import { exists, makeFolder, repositoryCache } from "./cache.ts"
import { DATASETS, type HubError, hubError, isPart } from "./hub.ts"
import { type HubSettings, type HubSource, readSettings } from "./hub-source.ts"
import { commitOf, type RemoteFile } from "./remote.ts"
import { type Content, named, placed } from "./resolve-source.ts"

/** Branch in which the Hub keeps every dataset as Parquet files: config/split/0000.parquet. */
const CONVERTED = "refs/convert/parquet"

interface Address {
  readonly source: string
  readonly repository: string
  /** null: the Parquet files that the Hub converted */
  readonly revision: string | null
  /** a file of rows; null: a split */
  readonly file: string | null
  /** null: the only configuration, or the one called "default" */
  readonly config: string | null
  /** null: the split that the plan requests */
  readonly split: string | null
}

const EXPECTED = `expected ${DATASETS}owner/name, ${DATASETS}owner/name/config/split or ${DATASETS}owner/name/file.parquet, each also with @revision`

const parseAddress = (source: string): Effect.Effect<Address, HubError> => {
  const [path = "", revision = null, ...more] = source.slice(DATASETS.length).split("@")
  const parts = path.split("/")
  const [owner, name, ...inside] = parts
  const names = [...parts, ...(revision?.split("/") ?? [])]
  const isFile = /\.\w+$/.test(inside.at(-1) ?? "")
  if (more.length > 0 || name === undefined || (!isFile && inside.length > 2) || !names.every(isPart))
    return Effect.fail(hubError(source, `is not the address of a data set; ${EXPECTED}`))
  const [config = null, split = null] = isFile ? [] : inside
  const file = isFile ? inside.join("/") : null
  return Effect.succeed({ source, repository: `${owner}/${name}`, revision, file, config, split })
}

/** Names that datasets give to the splits of a plan. */
const splitNames = {
  train: ["train", "training"],
  validation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing"]
} as const

export type SplitName = keyof typeof splitNames

/**
 * Returns the files with the rows of an address, in row order. Downloads those missing from the cache. `split` applies if the address names
 * none. Fails if the Hub does not have these rows, and lists what it has.
 */
export const datasetFiles = (source: string, split: SplitName): Effect.Effect<ReadonlyArray<string>, HubError, Files> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const address = yield* parseAddress(source)
    const settings = yield* readSettings(source)
    const hubSource = yield* revised(address, settings)
    const folder = yield* placed(hubSource, settings, contentOf(hubSource, address, split, settings))
    if (hubSource.file !== null) return [folder]
    const files = (yield* listingOf(folder)) ?? []
    const rows = yield* rowsOf(address, split, files)
    return rows.map((file) => path.join(folder, file))
  })

/** Returns the address with a revision: if it has none, that of the Hub's converted Parquet files, if they exist. */
const revised = (address: Address, settings: HubSettings): Effect.Effect<HubSource, HubError, Files> =>
  Effect.gen(function* () {
    const { source, repository, file, revision } = address
    const of = (revision: string): HubSource => ({ source, type: "dataset", repository, revision, file })
    if (revision !== null || file !== null) return of(revision ?? "main")
    const converted = of(CONVERTED)
    const isCached = exists(repositoryCache(yield* Path.Path, settings.cache, converted).ref(CONVERTED))
    if (settings.offline) return (yield* isCached) ? converted : of("main")
    const commit = yield* Effect.result(commitOf(converted, settings))
    if (Result.isSuccess(commit)) return converted
    return commit.failure._tag === "Unreachable" && (yield* isCached) ? converted : of("main")
  })

/** Path of the file next to the snapshots that lists the files of one. */
const listingFile = (folder: string) =>
  Effect.map(Path.Path, (path) => path.join(folder, "..", "..", "listings", `${path.basename(folder)}.json`))

const listingOf = (folder: string): Effect.Effect<ReadonlyArray<string> | null, never, Files> =>
  Effect.gen(function* () {
    const parsed = parseBoundedJson(
      yield* readTextFile(yield* listingFile(folder)).pipe(Effect.orElseSucceed(() => "null"))
    )
    const value = "value" in parsed ? parsed.value : null
    const files = isRecord(value) ? value["files"] : null
    const isPath = (file: unknown): file is string => typeof file === "string" && file.split("/").every(isPart)
    return Array.isArray(files) && files.every(isPath) ? files : null
  })

const contentOf = (hubSource: HubSource, address: Address, split: SplitName, settings: HubSettings): Content => ({
  needed: (folder) =>
    Effect.gen(function* () {
      const files = yield* listingOf(folder)
      return files === null ? null : yield* Effect.orElseSucceed(rowsOf(address, split, files), () => null)
    }),
  take: (_, files, folder, take) =>
    Effect.gen(function* () {
      const path = yield* Path.Path
      const rows = yield* rowsOf(address, split, namesOf(files))
      yield* take(yield* Effect.forEach(rows, (file) => named(hubSource, files, file)))
      const listing = yield* listingFile(folder)
      const makeListingFolder = makeFolder(hubSource, settings.cache, path.dirname(listing))
      const notWritable = () => hubError(address.source, `the cache ${settings.cache} cannot be written`)
      yield* Effect.andThen(
        makeListingFolder,
        writeFileAtomic(listing, JSON.stringify({ files: namesOf(files).filter(isParquet) }))
      ).pipe(Effect.mapError((error) => (error._tag === "HubError" ? error : notWritable())))
    })
})

const namesOf = (files: ReadonlyArray<RemoteFile>) =>
  files.map(({ path }) => path).filter((path) => path.split("/").every(isPart))

const isParquet = (file: string): boolean => file.endsWith(".parquet")

interface Part {
  readonly file: string
  readonly config: string
  readonly split: string
}

/** Parses config/split/0000.parquet, and the names that datasets use: [config/]split[-00000-of-00002[-hash]].parquet, also in data/. */
const partOf = (file: string): ReadonlyArray<Part> => {
  const converted = /^([^/]+)\/([^/]+)\/\d{4,}\.parquet$/.exec(file)
  const match = /^(?:(.+)\/)?([^/]+?)(?:-\d{5}-of-\d{5}(?:-[0-9a-f]+)?)?\.parquet$/.exec(file)
  if (converted === null && match === null) return []
  const [, folder = "data", split = ""] = (converted ?? match)!
  return [{ file, config: folder === "data" ? "default" : folder.replace(/^data\//, ""), split }]
}

/** Sorts 9999.parquet before 10000.parquet. */
const byNumber = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true })

/** Returns the files of a split, in order, or what exists instead of it. */
const rowsOf = (
  { source, repository, config, split }: Address,
  requested: SplitName,
  files: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>, HubError> => {
  const fail = (problem: string) => Effect.fail(hubError(source, problem))
  const parts = files.flatMap(partOf)
  if (parts.length === 0)
    return fail("has no Parquet files, and the Hub has not converted it; name one of its data files in the address")
  const configs = [...new Set(parts.map((part) => part.config))]
  const configName = config ?? (configs.length === 1 ? configs[0]! : "default")
  const listedNames = (names: ReadonlyArray<string>) => listed(names).join(", ")
  if (!configs.includes(configName)) {
    const which = `${config === null ? "has several configurations" : `has no configuration "${config}"`}: ${listedNames(configs)}`
    return fail(`${which}; name one: ${DATASETS}${repository}/${configs[0]}`)
  }
  const ofConfig = parts.filter((part) => part.config === configName)
  const splits = [...new Set(ofConfig.map((part) => part.split))]
  const names: ReadonlyArray<string> = split === null ? splitNames[requested] : [split]
  const splitName = names.find((name) => splits.includes(name))
  if (splitName !== undefined) {
    return Effect.succeed(ofConfig.flatMap((part) => (part.split === splitName ? [part.file] : [])).toSorted(byNumber))
  }
  if (names.some((name) => splits.includes(`partial-${name}`)))
    return fail(
      `the Hub has converted only a part of "${names[0]}" to Parquet; name one of its own files, or a revision`
    )
  return fail(
    `has no split "${names[0]}"; it has ${listedNames(splits)}: ${DATASETS}${repository}/${configName}/${splits[0]}`
  )
}

/**
 * Hashes of a run's inputs. Resuming over other rows or another tokenizer would be a different run, and an adapter over other weights computes
 * nonsense without an error. So checkpoints and run.json contain the hash of every file, and their users compare them.
 *
 *   { "model/config.json": "ab…", "model/model.safetensors": "cd…", "model/chat_template.jinja": null, "data.train": "ef…" }
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { RunPlan } from "../../schemas/index.ts"
import { AskedSplit, filesOfRows, folderTree, listFolder, placeInArchive } from "../data/index.ts"
import { FileError, fileError, hashesWhole, sha256, statRegular, wholeSha256 } from "../files/index.ts"
import type { Sources } from "../hub/hub.ts"
import { GENERATION_CONFIG, type ModelFile, modelFiles } from "../models/index.ts"
import { fromOf, type OpenedData, type ResolvedPlan, type Splits } from "../plan/index.ts"
import { working } from "../progress/index.ts"
import { baseName } from "./base-name.ts"

/** SHA-256 of each file that a run reads: the model's files, and those of the splits by plan field. null: the file did not exist. */
export const Inputs = Schema.Record(Schema.String, Schema.NullOr(Schema.String))
export type Inputs = typeof Inputs.Type

/** Current state of a file that a run reads. */
export interface InputFile {
  /** name of the file in the record: `model/config.json`, `data.train` */
  readonly name: string
  /** SHA-256 of its bytes, in hexadecimal; null: the file does not exist */
  readonly sha256: string | null
  /** whether it contains weights of the base model or of the run's adapter */
  readonly holdsWeights: boolean
}

type Hashing<A> = Effect.Effect<A, FileError, Sources>

/**
 * Hashes the files of a model. `recorded`: hashes in the record of a run. Records of earlier versions contain every .safetensors file of a folder,
 * including files that are not read; these are hashed too.
 */
export const modelInputs = (source: string, recorded: Inputs = {}): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const files = yield* filesOf(source)
    const beside = /\.(json|gguf)$/.test(source) ? [] : Object.keys(recorded).flatMap((name) => unread(name, files))
    const all = [...files, ...beside.map((name) => ({ name, path: path.join(source, name), holdsWeights: true }))]
    return yield* Effect.forEach(all, (file) =>
      Effect.map(inputHash(file.path), (sha256) => ({ ...file, name: recordedName(file.name, recorded), sha256 }))
    )
  })

/** Returns the recorded name of a file. Earlier versions recorded a weight file in a LayersModel's subfolder by its last name alone. */
const recordedName = (name: string, recorded: Inputs): string => {
  const last = `model/${name.slice(name.lastIndexOf("/") + 1)}`
  return !Object.hasOwn(recorded, `model/${name}`) && Object.hasOwn(recorded, last) ? last : `model/${name}`
}

const unread = (recorded: string, files: ReadonlyArray<ModelFile>): ReadonlyArray<string> => {
  const name = /^model\/([^/\\]+\.safetensors)$/.exec(recorded)?.[1]
  return name === undefined || files.some((file) => file.name === name) ? [] : [name]
}

/** Hashes the files of the splits and of the chat template, and the lists of the files that their rows name. A folder is hashed as its list. */
export const dataInputs = ({ data }: RunPlan, splits?: Splits): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const all: Array<InputFile> = []
    const { train, validation, test } = data
    const chatTemplate = "chatTemplate" in data ? data.chatTemplate : undefined
    for (const [split, address] of Object.entries({ train, validation, test, chatTemplate })) {
      if (typeof address !== "string") continue
      const add = (name: string, sha256: string | null) => all.push({ name, sha256, holdsWeights: false })
      const list = splits?.[split as keyof Splits]?.list
      if (list !== undefined) add(`data.${split}.images`, sha256().update(list.join("\n")).digest("hex"))
      const isFolder = (at: string) =>
        Effect.match(fs.stat(at), { onFailure: () => false, onSuccess: ({ type }) => type === "Directory" })
      if (yield* isFolder(address)) {
        if (list === undefined) add(`data.${split}`, yield* textsHash(address))
        continue
      }
      const archive = placeInArchive(address)?.archive
      const source = archive === undefined || (yield* isFolder(archive)) ? address : archive
      // what the Hub has under an address are files of its cache, one or several
      const files = yield* filesOfRows(source).pipe(
        Effect.provideService(AskedSplit, split === "chatTemplate" ? null : (split as keyof Splits)),
        Effect.orElseSucceed(() => [])
      )
      const hashes = yield* Effect.forEach(files, inputHash)
      const several = () => sha256().update(hashes.join("\n")).digest("hex")
      add(`data.${split}`, hashes.length > 1 ? several() : (hashes[0] ?? null))
    }
    return all
  })

/** Hashes the names and bytes of a folder's text files, in row order. */
const textsHash = (folder: string) =>
  Effect.gen(function* () {
    const tree = yield* folderTree(folder)
    const hash = sha256()
    for (const { name } of (yield* listFolder(tree, "texts")).files) {
      const bytes = yield* tree.read(name, "row-bytes")
      hash.update(`${name}\0${bytes.length}\0`).update(bytes)
    }
    return hash.digest("hex")
  }).pipe(Effect.mapError(({ message }) => new FileError({ action: "read", file: folder, reason: message })))

/** Hashes the tensor files in an adapter's folder. */
export const adapterFiles = (folder: string): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const names = yield* fs.readDirectory(folder).pipe(Effect.mapError(fileError("read", folder)))
    return yield* Effect.forEach(names.filter((name) => name.endsWith(".safetensors")).sort(), (name) =>
      Effect.map(inputHash(path.join(folder, name)), (sha256) => ({
        name: `adapter/${name}`,
        sha256,
        holdsWeights: true
      }))
    )
  })

/**
 * Hashes the files of the adapter from which a plan starts. A run that has begun no longer needs them: for missing files, returns the hashes in
 * `recorded`.
 */
export const fromInputs = (plan: RunPlan, recorded: Inputs = {}): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const from = fromOf(plan)
    if (from === undefined) return []
    const path = yield* Path.Path
    const { peftFiles } = yield* Effect.promise(() => import("../peft/index.ts"))
    const files = yield* Effect.result(peftFiles(from))
    if (Result.isFailure(files)) {
      return Object.entries(recorded).flatMap(([name, sha256]) =>
        name.startsWith(FROM) ? [{ name, sha256, holdsWeights: false }] : []
      )
    }
    return yield* Effect.forEach(files.success, (file) =>
      Effect.map(inputHash(file), (sha256) => ({ name: `${FROM}${path.basename(file)}`, sha256, holdsWeights: false }))
    )
  })

const FROM = "adapter.from/"

/** Hashes everything that a run reads. */
export const inputsOf = (
  {
    plan,
    base,
    data
  }: Pick<ResolvedPlan, "plan" | "base"> & {
    /** the opened splits, whose files are hashed */
    readonly data: Pick<OpenedData, "splits">
  },
  recorded?: Inputs
) =>
  Effect.map(
    Effect.all([modelInputs(base, recorded), dataInputs(plan, data.splits), fromInputs(plan, recorded)]),
    (parts) => parts.flat()
  )

/** Converts files to a record of their hashes. */
export const recordOf = (files: ReadonlyArray<InputFile>): Inputs =>
  Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256]))

/** Name of generation_config.json in a run's record. */
export const GENERATION_INPUT = `model/${GENERATION_CONFIG}`

/** Returns whether a file affects training. */
export const decidesTraining = (name: string): boolean => name !== GENERATION_INPUT

/**
 * Returns one sentence for each input that differs from the record and for which `bears` returns true. Files that were not recorded are
 * not compared, except weights: all weight files are recorded, so one without a record did not exist.
 */
export const inputDifferences = (
  trained: Inputs,
  now: ReadonlyArray<InputFile>,
  bears: (name: string) => boolean
): ReadonlyArray<string> => {
  const current = recordOf(now)
  const added = now.filter(({ name, holdsWeights }) => holdsWeights && !Object.hasOwn(trained, name))
  const names = [...Object.keys(trained), ...added.map(({ name }) => name)].filter(bears)
  return names.flatMap((name) => {
    const [was, is] = [trained[name] ?? null, current[name] ?? null]
    if (was === is) return []
    const short = (hash: string | null) => (hash === null ? "no such file" : `SHA-256 ${hash.slice(0, 12)}…`)
    return [`${name}: trained with ${short(was)}, now ${short(is)}`]
  })
}

/** Identity of the base model of an adapter: its name or folder (for a tf.LayersModel, its model.json) and the SHA-256 of its weights. */
export interface BaseIdentity {
  /** its name or folder; for a tf.LayersModel, its model.json */
  readonly path: string
  /** SHA-256 of each file that contains weights, in hexadecimal, by file name */
  readonly sha256: Readonly<Record<string, string>>
}

const filesOf = (source: string) =>
  modelFiles(source).pipe(
    Effect.mapError(({ message: reason }) => new FileError({ action: "read", file: source, reason }))
  )

/** Identifies the base model by the SHA-256 of each file that contains weights. */
export const baseIdentity = (source: string): Hashing<BaseIdentity> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const sha256: Record<string, string> = {}
    for (const { name, path: file, holdsWeights } of yield* filesOf(source)) {
      const hash = holdsWeights ? yield* inputHash(file) : null
      if (hash !== null) sha256[name] = hash
    }
    return { path: baseName(path, source), sha256 }
  })

/**
 * Fails if weights that a run reads in their file (`model.weights: "file"`) are not those that it began with: what it has computed since is
 * worthless. Only files whose state has changed are hashed again.
 */
export const unchangedBase = (
  { plan, base }: Pick<ResolvedPlan, "plan" | "base">,
  inputs: Inputs
): Effect.Effect<void, FileError, Sources> =>
  Effect.gen(function* () {
    if (!("weights" in plan.model) || plan.model.weights !== "file") return
    const { sha256 } = yield* baseIdentity(base)
    const changed = Object.keys(sha256).find((name) => {
      const before = inputs[recordedName(name, inputs)]
      return before !== undefined && before !== sha256[name]
    })
    if (changed === undefined) return
    const reason = `${changed} changed during the run, which reads its weights there; restore it and resume the run from its last checkpoint (--resume)`
    return yield* new FileError({ action: "read", file: base, reason })
  })

/** Returns the SHA-256 of a regular file in lower-case hexadecimal. */
export const sha256Of = (file: string): Effect.Effect<string, FileError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size } = yield* statRegular(file)
    if (hashesWhole(Number(size))) {
      const bytes = yield* fs.readFile(file).pipe(Effect.mapError(fileError("read", file)))
      return yield* Effect.promise(() => wholeSha256(new Uint8Array(bytes)))
    }
    const hash = sha256()
    const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)
    const activity = `hashing ${file.replace(/^.*[/\\]/s, "")}`
    let hashed = 0
    yield* fs.stream(file, { chunkSize: CHUNK }).pipe(
      Stream.runForEach((bytes) => {
        hash.update(bytes)
        hashed += bytes.length
        return working(activity, { done: megabytes(hashed), of: megabytes(Number(size)), unit: "MB" })
      }),
      Effect.mapError(fileError("read", file))
    )
    return hash.digest("hex")
  })

/** Bytes per read. Each read waits for a turn of the event loop, of which training leaves few. */
const CHUNK = 2 ** 23

/** State and hash of the inputs that this process has hashed. */
const knownHashes = new Map<string, { readonly state: string; readonly sha256: string }>()

/** Returns the hash of an input, cached as long as the file does not change; null: the file does not exist. */
const inputHash = (file: string): Hashing<string | null> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (!(yield* fs.exists(file).pipe(Effect.mapError(fileError("read", file))))) return null
    const { dev, ino, size, mtime } = yield* statRegular(file)
    const changed = Option.map(mtime, (time) => time.getTime())
    const state = [dev, Option.getOrNull(ino), size, Option.getOrNull(changed)].join()
    const name = path.resolve(file)
    const before = knownHashes.get(name)
    if (before?.state === state) return before.sha256
    const sha256 = yield* sha256Of(file)
    knownHashes.set(name, { state, sha256 })
    return sha256
  })

/**
 * What a run reads, by its content: a resumed run over other rows or another tokenizer would be another run, and an adapter over other
 * weights answers nonsense without complaint. So checkpoints and run.json hold the hash of every file, and whatever uses them compares.
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

/** SHA-256 of each file that a run reads: the model's, and the splits' by their plan field. null: there was no such file. */
export const Inputs = Schema.Record(Schema.String, Schema.NullOr(Schema.String))
export type Inputs = typeof Inputs.Type

/** A file as it is now. */
export interface InputFile {
  /** `model/config.json`, `data.train` */
  readonly name: string
  /** of its bytes, in hex; null: there is no such file */
  readonly sha256: string | null
  /** whether it holds weights of the base or of the run's adapter */
  readonly holdsWeights: boolean
}

type Hashing<A> = Effect.Effect<A, FileError, Sources>

/**
 * The files of a model. `recorded`: what is known of a run; records of before hold all .safetensors files of a folder, also those that are
 * not read, and these are looked for too.
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

/** Records of before have a weight file in a LayersModel's subfolder by its last name alone. */
const recordedName = (name: string, recorded: Inputs): string => {
  const last = `model/${name.slice(name.lastIndexOf("/") + 1)}`
  return !Object.hasOwn(recorded, `model/${name}`) && Object.hasOwn(recorded, last) ? last : `model/${name}`
}

const unread = (recorded: string, files: ReadonlyArray<ModelFile>): ReadonlyArray<string> => {
  const name = /^model\/([^/\\]+\.safetensors)$/.exec(recorded)?.[1]
  return name === undefined || files.some((file) => file.name === name) ? [] : [name]
}

/** The files of the splits and of the chat template, and the lists of those that their rows name; a folder is its list. */
export const dataInputs = ({ data }: RunPlan, splits?: Splits): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const all: Array<InputFile> = []
    const { train, validation, test } = data
    const chatTemplate = "chatTemplate" in data ? data.chatTemplate : undefined
    for (const [split, place] of Object.entries({ train, validation, test, chatTemplate })) {
      if (typeof place !== "string") continue
      const add = (name: string, sha256: string | null) => all.push({ name, sha256, holdsWeights: false })
      const list = splits?.[split as keyof Splits]?.list
      if (list !== undefined) add(`data.${split}.images`, sha256().update(list.join("\n")).digest("hex"))
      const isFolder = (at: string) =>
        Effect.match(fs.stat(at), { onFailure: () => false, onSuccess: ({ type }) => type === "Directory" })
      if (yield* isFolder(place)) {
        if (list === undefined) add(`data.${split}`, yield* textsHash(place))
        continue
      }
      const archive = placeInArchive(place)?.archive
      const own = archive === undefined || (yield* isFolder(archive)) ? place : archive
      // what the Hub has under an address are files of its cache, one or several
      const files = yield* filesOfRows(own).pipe(
        Effect.provideService(AskedSplit, split === "chatTemplate" ? null : (split as keyof Splits)),
        Effect.orElseSucceed(() => [])
      )
      const hashes = yield* Effect.forEach(files, inputHash)
      const several = () => sha256().update(hashes.join("\n")).digest("hex")
      add(`data.${split}`, hashes.length > 1 ? several() : (hashes[0] ?? null))
    }
    return all
  })

/** Of the names and bytes of a folder's text files, in the order in which they are rows. */
const textsHash = (place: string) =>
  Effect.gen(function* () {
    const tree = yield* folderTree(place)
    const hash = sha256()
    for (const { name } of (yield* listFolder(tree, "texts")).files) {
      const bytes = yield* tree.read(name, "row-bytes")
      hash.update(`${name}\0${bytes.length}\0`).update(bytes)
    }
    return hash.digest("hex")
  }).pipe(Effect.mapError(({ message }) => new FileError({ action: "read", file: place, reason: message })))

/** The tensors in an adapter's folder. */
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
 * The files of the adapter that a plan begins with. A run that has begun needs it no more: where it is not there, the files are what was
 * `recorded` of them.
 */
export const fromInputs = (plan: RunPlan, recorded: Inputs = {}): Hashing<ReadonlyArray<InputFile>> =>
  Effect.gen(function* () {
    const from = fromOf(plan)
    if (from === undefined) return []
    const path = yield* Path.Path
    const { peftFiles } = yield* Effect.promise(() => import("../peft/index.ts"))
    const found = yield* Effect.result(peftFiles(from))
    if (Result.isFailure(found)) {
      return Object.entries(recorded).flatMap(([name, sha256]) =>
        name.startsWith(FROM) ? [{ name, sha256, holdsWeights: false }] : []
      )
    }
    return yield* Effect.forEach(found.success, (file) =>
      Effect.map(inputHash(file), (sha256) => ({ name: `${FROM}${path.basename(file)}`, sha256, holdsWeights: false }))
    )
  })

const FROM = "adapter.from/"

/** Everything that a run reads. */
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

/** What a record says of files. */
export const recordOf = (files: ReadonlyArray<InputFile>): Inputs =>
  Object.fromEntries(files.map(({ name, sha256 }) => [name, sha256]))

/** The name under which a run's record has the hash of generation_config.json. */
export const GENERATION_INPUT = `model/${GENERATION_CONFIG}`

/** Whether a file decides what a run trains. */
export const decidesTraining = (name: string): boolean => name !== GENERATION_INPUT

/**
 * A sentence for every input that is not what it was, of those that `bears` on what is done. What was not recorded is not compared. Of
 * weights every file was recorded, so that one that is not in the record was not there.
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

/** Which base an adapter belongs to, for its readers: its name or folder (of a tf.LayersModel its model.json), and its weights' SHA-256. */
export interface BaseIdentity {
  /** its name or folder; of a tf.LayersModel its model.json */
  readonly path: string
  /** by file, of those with weights, in hex */
  readonly sha256: Readonly<Record<string, string>>
}

const filesOf = (source: string) =>
  modelFiles(source).pipe(
    Effect.mapError(({ message: reason }) => new FileError({ action: "read", file: source, reason }))
  )

/** The base model's weights by content: SHA-256 of each file that holds some. */
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

/** SHA-256 of a regular file, streamed, in lower-case hexadecimal. */
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
    const what = `hashing ${file.replace(/^.*[/\\]/s, "")}`
    let done = 0
    yield* fs.stream(file, { chunkSize: CHUNK }).pipe(
      Stream.runForEach((bytes) => {
        hash.update(bytes)
        done += bytes.length
        return working(what, { done: megabytes(done), of: megabytes(Number(size)), unit: "MB" })
      }),
      Effect.mapError(fileError("read", file))
    )
    return hash.digest("hex")
  })

/** Bytes of a read; each waits for a turn of the event loop, of which training leaves few. */
const CHUNK = 2 ** 23

/** Of the inputs that this process has seen: the file's state, and its hash. */
const known = new Map<string, { readonly state: string; readonly sha256: string }>()

/** The hash of an input, computed once for as long as the file does not change; null where there is none. */
const inputHash = (file: string): Hashing<string | null> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    if (!(yield* fs.exists(file).pipe(Effect.mapError(fileError("read", file))))) return null
    const { dev, ino, size, mtime } = yield* statRegular(file)
    const changed = Option.map(mtime, (time) => time.getTime())
    const state = [dev, Option.getOrNull(ino), size, Option.getOrNull(changed)].join()
    const name = path.resolve(file)
    const before = known.get(name)
    if (before?.state === state) return before.sha256
    const sha256 = yield* sha256Of(file)
    known.set(name, { state, sha256 })
    return sha256
  })

/**
 * Pushes a run or an export of it to a repository of the Hugging Face Hub: of a run, its adapter with the model card and publishable versions of
 * the plan and the record; or a folder, unchanged.
 */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { counted, isRecord, limit, overLimit } from "../../boundary/index.ts"
import { FileError, fileError, isThere, readJsonFile, readTextFile, writeFileAtomic } from "../../files/index.ts"
import { Hub, isBranch, isRepository, type Upload, type UploadedFile, type UploadListener } from "../../hub/index.ts"
import { kindOf } from "../../kinds/index.ts"
import { fileName, hubNameOf, runFolder, writeReport } from "../../output/index.ts"
import { command } from "../../output/invocation.ts"
import { readPlan } from "../../plan/index.ts"
import { Progress } from "../../run/index.ts"
import { RunError } from "../../trained/index.ts"
import {
  foldersHere,
  type HubName,
  publishableAdapterConfig,
  publishableCard,
  publishablePlan,
  publishableRecord,
  withoutFolders
} from "./publishable.ts"

export interface PushRequest extends Omit<Upload, "files" | "message"> {
  readonly message?: string | undefined
  readonly content: PushedContent
  /** whether to send nothing and contact no server */
  readonly dryRun: boolean
}

/** Report of a push or a dry run. */
export interface PushReport {
  readonly repository: string
  readonly branch: string
  readonly files: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  /** what is not sent, as sentences */
  readonly kept: ReadonlyArray<string>
  /** address of the commit's page; null after a dry run */
  readonly url: string | null
  readonly commit: string | null
  /** whether the push created the repository */
  readonly created: boolean
}

/** Pushes a finished run to the Hub in one commit. */
export const pushRun = (directory: string, { content, dryRun, message, ...request }: PushRequest) =>
  Effect.gen(function* () {
    const { repository, branch } = request
    const wrong = (reason: string) => new RunError({ directory: repository, reason })
    if (!isRepository(repository)) return yield* wrong("is not a repository name; expected owner/name")
    if (!isBranch(branch))
      return yield* wrong(`found the branch ${JSON.stringify(branch)}; expected a name such as main`)
    if (content.base !== undefined && !isRepository(content.base))
      return yield* wrong(
        `found the base model ${JSON.stringify(content.base)}; expected its name on the Hub, owner/name`
      )
    const { files, kept, name } = yield* filesToPush(directory, content)
    const tell = yield* Progress
    const said: UploadListener = (one) =>
      void Effect.runFork(
        tell(typeof one === "string" ? { kind: "notice", message: one } : { kind: "working", ...one })
      )
    const sent = dryRun
      ? { url: null, commit: null, created: false }
      : yield* (yield* Hub).upload({ ...request, files, message: message ?? `${name}, by tfjs-lora-pro` }, said)
    const report: PushReport = {
      repository,
      branch,
      files: files.map(({ path, content }) => ({ path, bytes: content.size })),
      kept,
      ...sent
    }
    return report
  }).pipe(Effect.scoped)

interface PushedContent {
  /** folder to push instead of the adapter's: that of an export, or `<run>/merged` */
  readonly folder?: string | undefined
  /** whether to include report.html, which shows misclassified rows */
  readonly report: boolean
  /** Hub name of the base model, if the plan names a folder */
  readonly base: HubName
}

interface FilesToPush {
  readonly files: ReadonlyArray<UploadedFile>
  /** what is not sent, as sentences */
  readonly kept: ReadonlyArray<string>
  /** name for the commit's message */
  readonly name: string
}

/** Returns the files of a finished run to push, by their paths in the repository. Sends nothing. */
const filesToPush = (directory: string, { folder, report, base }: PushedContent) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const run = yield* finished(directory)
    const hubName = base ?? run.hubName
    if (folder !== undefined) return yield* filesOfFolder(directory, folder, run, hubName)
    const { record } = run
    const here = yield* runFolder(directory)
    const folders = yield* foldersHere
    const textFile = (place: string, text: string) => asFile(place, withoutFolders(text, folders))
    const json = (place: string, value: unknown) => textFile(place, `${JSON.stringify(value, null, 2)}\n`)
    const adapter = yield* Effect.forEach(yield* namesIn(here.adapter), (name) =>
      Effect.gen(function* () {
        const file = path.join(here.adapter, name)
        if (name === "README.md") return textFile(name, publishableCard(yield* readTextFile(file), hubName, run.base))
        if (!name.endsWith(".json")) return yield* onDisk(name, file)
        const value = yield* readJsonFile(file)
        const isConfig = isRecord(value) && "base_model_name_or_path" in value
        return json(name, isConfig ? publishableAdapterConfig(value, hubName) : value)
      })
    )
    const plan = json("plan.json", publishablePlan(yield* readJsonFile(here.plan), hubName))
    const recordText = json("run.json", publishableRecord(record, hubName, false))
    const page = report ? [yield* publishableReport(directory, record, hubName, textFile)] : []
    const mistakes = Array.isArray(record["mistakes"]) ? record["mistakes"].length : 0
    const pushed: FilesToPush = {
      files: [...adapter, plan, recordText, ...page],
      kept: [
        ...(hubName === undefined
          ? [
              "The base model is a local folder, so the model card does not name it: pass its name on the Hub with --base-model."
            ]
          : []),
        ...(mistakes === 0 || report
          ? []
          : [
              `Not sent: the texts of ${counted(mistakes, "misclassified row")}, and report.html, which shows them (use --report to send it).`
            ]),
        "Local paths are shortened to their last part."
      ],
      name: run.name
    }
    return pushed
  })

const asFile = (path: string, text: string): UploadedFile => ({ path, content: new Blob([text]) })

/** Returns a file whose bytes are read when it is sent. */
const onDisk = (path: string, file: string) =>
  Effect.map(
    Effect.tryPromise({
      try: () => process.getBuiltinModule("node:fs").openAsBlob(file),
      catch: () => new FileError({ action: "read", file, reason: "it cannot be opened" })
    }),
    (content): UploadedFile => ({ path, content })
  )

/** Reads the record of a run. Fails if the folder is not a run's, or if the run is not finished. */
const finished = (directory: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const here = yield* runFolder(directory)
    const fail = (reason: string) => new RunError({ directory, reason })
    if (!(yield* isThere(here.plan)))
      return yield* fail("is not a run folder: it has no plan.json; expected one such as runs/<name>-1")
    if (!(yield* isThere(here.report)) || !(yield* isThere(here.adapter)))
      return yield* fail(`is not finished: resume it with ${command(`train --resume ${directory}`)}, then push it`)
    const record = yield* readJsonFile(here.report)
    if (!isRecord(record)) return yield* fail("run.json is not a valid run record")
    const plan = yield* readJsonFile(here.plan)
    const { source } = isRecord(plan) && isRecord(plan["model"]) ? plan["model"] : {}
    const base = isRecord(record["base"]) ? String(record["base"]["path"] ?? "") : ""
    return {
      record,
      name: String(record["name"] ?? path.basename(directory)),
      // as the card has it: a folder of this machine by its last name
      base: path.isAbsolute(base) ? path.basename(base) : base,
      hubName: typeof source === "string" ? hubNameOf(source) : undefined
    }
  })

/** Builds a publishable report.html from the publishable files and the misclassified rows. */
const publishableReport = (
  directory: string,
  record: Readonly<Record<string, unknown>>,
  base: HubName,
  uploadedText: (place: string, text: string) => UploadedFile
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const from = yield* runFolder(directory)
    const { plan, name } = yield* readPlan(from.plan, [], { ofRun: true })
    const kind = yield* kindOf(plan)
    const folder = yield* fs.makeTempDirectoryScoped().pipe(Effect.mapError(fileError("write", "a temporary folder")))
    const to = yield* runFolder(folder)
    const text = (file: string) => readTextFile(file)
    yield* writeFileAtomic(to.plan, JSON.stringify(publishablePlan(yield* readJsonFile(from.plan), base)))
    yield* writeFileAtomic(to.report, JSON.stringify(publishableRecord(record, base, true)))
    yield* writeFileAtomic(to.metrics, yield* text(from.metrics))
    const pictures = yield* Effect.orElseSucceed(text(from.pictures), () => undefined)
    if (pictures !== undefined) yield* writeFileAtomic(to.pictures, pictures)
    yield* writeReport(to, { ...kind, next: () => kind.next(plan, fileName(name)) })
    return uploadedText("report.html", yield* text(to.page))
  })

/** Returns the paths of a folder's files, without names that begin with a dot and links out of the folder. */
const namesIn = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const failed = fileError("read", folder)
    const all = yield* fs.readDirectory(folder, { recursive: true }).pipe(Effect.mapError(failed))
    if (all.length > limit("hub-files"))
      return yield* new FileError({
        action: "read",
        file: folder,
        reason: `it has more than ${overLimit("hub-files")}`
      })
    const home = yield* fs.realPath(folder).pipe(Effect.mapError(failed))
    const seen = all.filter((name) => !name.split(/[/\\]/).some((part) => part.startsWith(".")))
    const fileLists = yield* Effect.forEach(seen.toSorted(), (name) =>
      Effect.gen(function* () {
        const file = path.join(folder, name)
        const { type } = yield* fs.stat(file).pipe(Effect.mapError(fileError("read", file)))
        if (type !== "File") return []
        const real = yield* fs.realPath(file).pipe(Effect.mapError(fileError("read", file)))
        if (real.startsWith(path.join(home, path.sep))) return [name.replaceAll("\\", "/")]
        const reason = `it is a link that points to ${real}, out of the folder that is sent`
        return yield* new FileError({ action: "read", file, reason })
      })
    )
    return fileLists.flat()
  })

const filesOfFolder = (
  run: string,
  folder: string,
  { base, name }: Effect.Success<ReturnType<typeof finished>>,
  hubName: HubName
) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const fail = (reason: string) => new RunError({ directory: folder, reason })
    const { type } = yield* fs.stat(folder).pipe(Effect.orElseSucceed(() => ({ type: "none" })))
    if (type !== "Directory") {
      const made =
        path.resolve(folder) === path.resolve(run, "merged") ? `; create it with ${command(`merge ${run}`)}` : ""
      return yield* fail(`is not a folder${made}`)
    }
    const names = yield* namesIn(folder)
    if (names.includes("plan.json") && names.includes("run.json"))
      return yield* fail("is a run folder, which may contain private files: push it without --folder")
    if (names.length === 0) return yield* fail("has no files to send")
    const files = yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const file = path.join(folder, name)
        if (name !== "README.md") return yield* onDisk(name, file)
        return asFile(name, publishableCard(yield* readTextFile(file), hubName, base))
      })
    )
    const pushed: FilesToPush = { files, kept: [], name: `${name}, ${path.basename(folder)}` }
    return pushed
  })

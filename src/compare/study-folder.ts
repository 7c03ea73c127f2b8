/**
 * A study's folder, `compare/<plan name>-<n>/`:
 *
 *   study.json      the study, with every default filled in; written first, never changed
 *   study.sqlite    queue and workflow, where no other storage is given
 *   plans/          one plan for each trial
 *   runs/           one run folder for each trial
 *   results.json    { finished, results }: every trial once
 *   compare.html, compare.md, compare.json    the verdict
 *
 * Running the same command again finds the folder of the same study and resumes it.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { isRecord, listedLines, withoutSecrets } from "../boundary/index.ts"
import { asFileError, FileError, fileError, inNewFolder, readJsonFile, writeJson } from "../files/index.ts"
import { decidesTraining, type InputFile, inputDifferences, recordOf } from "../output/index.ts"
import { planFromValue, relocate } from "../plan/index.ts"
import { type Question, Study, TrialResult } from "./study.ts"

export class StudyExists extends Schema.TaggedError<StudyExists>()("StudyExists", {
  folder: Schema.String,
  differences: Schema.Array(Schema.String)
}) {
  override get message() {
    return [
      `${this.folder} contains a different study and was not changed; request the same study, or choose another folder with --out DIR:`,
      listedLines(this.differences, (difference) => `  ${difference}`)
    ].join("\n")
  }
}

export interface StudyFolder {
  readonly folder: string
  /** the study with absolute input paths */
  readonly study: Study
  /** the study as written to study.json, with input paths relative to the folder */
  readonly portable: Study
}

const files = { study: "study.json", results: "results.json" } as const

/** Returns the plan as written to study.json: input paths relative to the folder. */
const planIn = (question: Question, folder: string) =>
  Effect.map(relocate(question.plan, folder), ({ $schema: _, output: { directory: __, ...output }, ...plan }) => ({
    ...plan,
    output
  }))

const decodeStudy = Schema.decodeUnknownEffect(Study)

const notWhatItWrites = (file: string) => (error: Schema.SchemaError) =>
  new FileError({ action: "read", file, reason: `not a valid study file: ${error.message.replaceAll("\n", " ")}` })

/** Reads the study.json of a folder, with input paths as written; undefined if the folder has none. */
const studyIn = (folder: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const file = path.join(folder, files.study)
    if (!(yield* fs.exists(file).pipe(Effect.mapError(fileError("read", file))))) return undefined
    const json = yield* readJsonFile(file).pipe(Effect.mapError(asFileError))
    const study = yield* decodeStudy(json).pipe(Effect.mapError(notWhatItWrites(file)))
    // earlier versions wrote more of the URL
    return { ...study, storage: withoutSecrets(study.storage) }
  })

const opened = (folder: string, portable: Study) =>
  Effect.map(
    planFromValue(portable.plan, folder),
    (plan): StudyFolder => ({
      folder,
      portable,
      study: { ...portable, plan }
    })
  )

/** Reads the folder of an existing study. */
export const readStudyFolder = (folder: string) =>
  Effect.gen(function* () {
    const study = yield* studyIn(folder)
    if (study === undefined) {
      const reason = `there is no ${files.study}; expected the folder of a study, such as compare/<plan name>-1`
      return yield* new FileError({ action: "read", file: folder, reason })
    }
    return yield* opened(folder, study)
  })

/** Returns `field: there x, here y` for each difference. Ignores the section `output`: how often trials are saved, and what is kept. */
const differences = (there: unknown, here: unknown, path = ""): ReadonlyArray<string> => {
  if (path === "plan.output") return []
  // fields that plans omit today are written out in studies of earlier versions
  if (path === "plan.model.head" && here === undefined) return []
  // the default of earlier versions, whose results today's has
  if (path === "plan.model.weights" && there === "f32" && here === "file") return []
  if (isRecord(there) && isRecord(here)) {
    const keys = [...new Set([...Object.keys(there), ...Object.keys(here)])].filter((key) => key !== "id")
    return keys.flatMap((key) => differences(there[key], here[key], path === "" ? key : `${path}.${key}`))
  }
  const [was, is] = [JSON.stringify(there) ?? "nothing", JSON.stringify(here) ?? "nothing"]
  return was === is ? [] : [`${path}: there ${was}, here ${is}`]
}

/** Compares a folder with a study: the folder is free, taken, that of the same study, or that of another. */
const lookAt = (folder: string, question: Question, read: ReadonlyArray<InputFile>) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const there = yield* studyIn(folder)
    if (there === undefined) {
      const exists = yield* fs.exists(folder).pipe(Effect.orElseSucceed(() => false))
      return { kind: exists ? "taken" : "free" } as const
    }
    const here = { ...question, plan: yield* planIn(question, folder) }
    const { inputs, ...recordedQuestion } = there
    const changedInputs = inputs === undefined ? [] : inputDifferences(inputs, read, decidesTraining)
    const differing = [...differences(recordedQuestion, here), ...changedInputs]
    return differing.length > 0 ? ({ kind: "other", differing } as const) : ({ kind: "same", study: there } as const)
  })

const create = (folder: string, question: Question, read: ReadonlyArray<InputFile>) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const planAndInputs = { plan: yield* planIn(question, folder), inputs: recordOf(read) }
    const study: Study = { id: randomUUID().slice(0, 8), ...question, ...planAndInputs }
    yield* inNewFolder(folder, (inside) => writeJson(path.join(inside, files.study), study))
    return study
  })

/**
 * Opens the folder of this study: the given one, or the first `compare/<name>-<n>` that contains it, or a new one. `read`: the files that its plan
 * reads; a study of other files is a different study.
 */
export const openStudyFolder = (question: Question, read: ReadonlyArray<InputFile>, out: string | undefined) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    if (out !== undefined) {
      const look = yield* lookAt(out, question, read)
      if (look.kind === "same") return yield* opened(out, look.study)
      if (look.kind === "other") return yield* new StudyExists({ folder: out, differences: look.differing })
      return yield* opened(out, yield* create(out, question, read)) // a folder of something else is refused by the creation
    }
    for (let n = 1; ; n++) {
      const folder = path.join("compare", `${question.name}-${n}`)
      const look = yield* lookAt(folder, question, read)
      if (look.kind === "same") return yield* opened(folder, look.study)
      if (look.kind === "free") return yield* opened(folder, yield* create(folder, question, read))
    }
  })

const Results = Schema.Struct({ finished: Schema.Boolean, results: Schema.Array(TrialResult) })
const encodeResults = Schema.encodeSync(Results)

export const writeResults = (folder: string, finished: boolean, results: ReadonlyArray<TrialResult>) =>
  Effect.flatMap(Path.Path, (path) => writeJson(path.join(folder, files.results), encodeResults({ finished, results })))

/** Reads the results of a study so far. Returns an empty list if they cannot be read. */
export const resultsSoFar = (folder: string) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const json = yield* readJsonFile(path.join(folder, files.results)).pipe(Effect.orElseSucceed(() => null))
    const decoded = Schema.decodeUnknownOption(Results)(json)
    return decoded._tag === "Some" ? decoded.value : { finished: false, results: [] }
  })

/** Reads the results of a finished study, or undefined if it is not finished. */
export const finishedResults = (folder: string) =>
  Effect.map(resultsSoFar(folder), ({ finished, results }) => (finished ? results : undefined))

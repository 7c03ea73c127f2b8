/**
 * The studio's server, in a worker of the page: the engine's handlers and those of runs over the page's own files. A run trains in a worker of
 * its own, so that questions are answered meanwhile; files in memory alone are seen by one worker, which then does all of it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import ownPackage from "../../../../package.json" with { type: "json" }
import { layer } from "../../../device/browser.ts"
import { exportRun, formatNamed, formatNames } from "../../../exports/index.ts"
import type { Files } from "../../../files/index.ts"
import type { Sources } from "../../../hub/hub.ts"
import { Progress } from "../../../run/progress.ts"
import {
  type Answering,
  answering,
  ComesWith,
  type EngineNeeds,
  engineHandlers,
  type Handlers,
  handlersOf,
  type Reported
} from "../../engine/index.ts"
import type { ExportEvent, Problem, Reply, WatchInput } from "../../protocol/index.ts"
import { exportedTo, exportFolder, exportFolders, RunRefused, runsOf, SIGN_OF_EXPORT } from "../../runs/index.ts"
import type { PageRequest, Place, StopRequest, TrainingEvent, TrainingRequest, WorkerStart } from "./messages.ts"
import { openRunWriter } from "./run-writer.ts"
import { type Train, trainingHere, wasmFolderOf } from "./trainer.ts"
import { nameOfStore, openWorld, storeFiles, type World } from "./world.ts"

/** Exports in the page: a folder of the format is written among the page's files, to be saved from there. */
const exported = ({ id, format: name, options }: WatchInput<"export">, tell: (event: ExportEvent) => void) =>
  Effect.gen(function* () {
    const format = formatNames.find((candidate) => candidate === name)
    if (format === undefined) return yield* new RunRefused({ id, reason: `cannot be exported as ${name}` })
    const out = yield* exportFolder(id, format)
    const report = yield* exportRun(id, {
      format: formatNamed(format),
      options: Object.fromEntries(Object.entries(options).map(([option, values]) => [option, values.join(",")])),
      out
    }).pipe(
      Effect.provideService(Progress, (event) =>
        Effect.sync(() => {
          if (event.kind === "notice") tell({ kind: "line", text: event.message })
        })
      )
    )
    tell({ kind: "done", exported: yield* exportedTo(out, report.lines) })
  })

export const exportHandlers: Partial<Handlers<EngineNeeds>> = {
  watches: {
    export: (request) =>
      Stream.callback<ExportEvent, Reported, EngineNeeds>((queue) =>
        exported(request, (event) => void Queue.offerUnsafe(queue, event)).pipe(
          Effect.matchCauseEffect({
            onSuccess: () => Queue.end(queue),
            onFailure: (cause) => Queue.failCause(queue, cause)
          })
        )
      )
  }
}

/** Existing exports, which need no device. */
export const exportedHandlers: Partial<Handlers<Sources>> = {
  calls: {
    exported: ({ id }) =>
      Effect.flatMap(exportFolders(id), (folders) => Effect.forEach(folders, (folder) => exportedTo(folder, []))),
    removeExport: ({ id }) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        if (!(yield* exportFolders()).includes(id))
          return yield* new RunRefused({ id, reason: "is not an export of this studio" })
        // first what lists it
        for (const entry of [`${id}/${SIGN_OF_EXPORT}`, id]) yield* Effect.ignore(fs.remove(entry, { recursive: true }))
        return null
      })
  }
}

/** The studio is open elsewhere in this browser, and has the files there. */
class StudioTaken extends Schema.TaggedError<StudioTaken>()("StudioTaken", {}) {
  override get message() {
    return "this studio is open in another tab or window of this browser, which holds its files and runs; continue there, or close it and try again"
  }
}

class NoSuchFile extends Schema.TaggedError<NoSuchFile>()("NoSuchFile", { path: Schema.String }) {
  override get message() {
    return `${this.path} is not one of the studio's files`
  }
}

/** milliseconds: the tab that was reloaded takes a moment to go */
const PATIENCE = 2_000

/** Holds the studio's files for this tab until it is closed; fails where another tab has them. */
const holdFiles = (base: string): Effect.Effect<void, StudioTaken> =>
  Effect.tryPromise({
    try: () =>
      new Promise<void>((resolve, reject) => {
        navigator.locks
          .request(nameOfStore(base), { signal: AbortSignal.timeout(PATIENCE) }, () => {
            resolve()
            return new Promise(() => {})
          })
          .catch(reject)
      }),
    catch: () => new StudioTaken()
  })

/** A run in a worker of its own, which has this one's script. */
const trainingElsewhere =
  (setup: Place): Train =>
  (run: TrainingRequest, tell: (event: TrainingEvent) => void) => {
    const worker = new Worker(globalThis.location.href, { type: "module" })
    const hear = (event: TrainingEvent) => {
      if (event.kind === "ended") worker.terminate()
      tell(event)
    }
    worker.onmessage = ({ data }: MessageEvent<TrainingEvent>) => hear(data)
    worker.onerror = ({ message }) => hear({ kind: "ended", message: message || "its worker could not be started" })
    const begin: WorkerStart = { setup, run }
    worker.postMessage(begin)
    return { stop: () => worker.postMessage({ stop: true } satisfies StopRequest) }
  }

const UNKEPT = "this browser's memory: files and runs are lost when the tab is closed"

const pageHandlers = (setup: Place, { unkept, layer: files }: World) =>
  Effect.gen(function* () {
    const writer = yield* openRunWriter(
      unkept === null ? trainingElsewhere(setup) : trainingHere(setup, { layer: files })
    )
    const { handlers } = runsOf(writer)
    let isHeld = unkept !== null
    const pageOnly: Partial<Handlers<Sources>> = {
      calls: {
        about: () =>
          Effect.gen(function* () {
            if (!isHeld) yield* holdFiles(setup.base)
            isHeld = true
            return {
              version: ownPackage.version,
              location: unkept === null ? "this browser" : UNKEPT,
              abilities: ["remove"] as const,
              doubts: []
            }
          })
      }
    }
    return handlersOf(pageOnly, handlers, exportedHandlers)
  })

export const send = (reply: Reply) => postMessage(reply)
const onBug = (cause: unknown) => console.error(String(cause))

/** The engine with its device, or what is wrong with that. */
const openEngine = (setup: Place, context: Context.Context<Sources>): Promise<Answering | Problem> => {
  const { device, threads, base } = setup
  const opened = Layer.buildWithScope(layer(device, { threads, wasmFolder: wasmFolderOf(base) }), Scope.makeUnsafe())
  return opened.pipe(
    Effect.flatMap((deviceContext) =>
      answering(handlersOf(engineHandlers, exportHandlers), send, onBug).pipe(
        Effect.provideContext(Context.merge(context, deviceContext))
      )
    ),
    Effect.catch(({ _tag: tag, message }) => Effect.succeed<Problem>({ tag, message })),
    Effect.provideService(ComesWith, comesWith),
    Effect.runPromise
  )
}

/** As the build puts them next to the page (`vite.config.ts`). */
const comesWith: ComesWith = {
  models: ["models/minilm", "models/mobilenet/model.json", "models/digits/model.json"],
  rows: [
    {
      name: "movie sentences",
      says: "1,500 sentences from film reviews, labelled positive or negative",
      source: "data/movies/train.jsonl"
    },
    {
      name: "pictures of clothes",
      says: "1,000 small pictures of ten kinds of clothes, for the MobileNet model",
      source: "data/clothes/train.parquet"
    }
  ]
}

/** Gives what takes questions. */
export const openEngineWorker = async (setup: Place): Promise<(question: PageRequest) => void> => {
  const world = await openWorld(setup.base, () => {})
  const context = await Effect.runPromise(Layer.buildWithScope(world.layer, Scope.makeUnsafe()))
  const handlers = await Effect.runPromise(Effect.provideContext(pageHandlers(setup, world), context))
  const inPage = await Effect.runPromise(Effect.provideContext(answering(handlers, send, onBug), context))
  let engine: Promise<Answering | Problem> | undefined
  const isOwn = (question: PageRequest) =>
    ("call" in question && Object.hasOwn(handlers.calls, question.call)) ||
    ("watch" in question && Object.hasOwn(handlers.watches, question.watch))

  const sendAnswer = <A>(
    id: number,
    effect: Effect.Effect<A, { readonly _tag: string; readonly message: string }, Files>
  ) =>
    Effect.runFork(
      Effect.match(Effect.provideContext(effect, context), {
        onFailure: ({ _tag: tag, message }) => send({ id, problem: { tag, message } }),
        onSuccess: (value) => send({ id, value })
      })
    )
  const file = (path: string) =>
    Effect.tryPromise({
      try: async () => new Blob([await world.fileAt(path)], { type: typeOf(path) }),
      catch: () => new NoSuchFile({ path })
    })

  return (question) => {
    if ("store" in question) {
      const { id } = question
      return void sendAnswer(
        id,
        storeFiles(question.store, (share) => send({ id, event: share }))
      )
    }
    if ("file" in question) return void sendAnswer(question.id, file(question.file))
    if (isOwn(question)) return inPage.take(question)
    if ("cancel" in question) inPage.take(question)
    engine ??= openEngine(setup, context)
    engine.then((answers) => {
      if ("take" in answers) answers.take(question)
      else if (!("cancel" in question)) send({ id: question.id, problem: answers })
    })
  }
}

const types: { readonly [ending: string]: string } = { html: "text/html", json: "application/json", md: "text/plain" }

const typeOf = (path: string): string => types[path.split(".").at(-1)!] ?? "application/octet-stream"

/**
 * The served models by name: loaded one after the other while others answer, dropped when the last request that uses one has ended. A request uses
 * the model that had the name when it arrived.
 *
 * Runs over the same files share their frozen weights (`SharedParts`): each adds its adapter and its head.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { cut, limit, listed, overLimit, quoted } from "../boundary/index.ts"
import type { Device } from "../device/device.ts"
import { isThere } from "../files/index.ts"
import { type PromptCache, promptCaches } from "../generation/index.ts"
import type { Asked, Prediction, WriteOptions, WrittenText } from "../kinds/index.ts"
import { SharedParts, sharedParts } from "../models/index.ts"
import { runFolder } from "../output/index.ts"
import { fromOf, readPlan } from "../plan/index.ts"
import { isAdapter, type LoadedRun, loadTrained, type WritingRun, writingRun } from "../trained/index.ts"
import { type Apart, type Batches, batches } from "./batches.ts"
import type { Metrics } from "./metrics.ts"
import { type Refusal, refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"

type Failed = { readonly _tag: string; readonly message: string }

/** A served model and its capabilities. */
export interface Served {
  /** name by which clients call it */
  readonly name: string
  /** the run's folder */
  readonly place: string
  /** load time, in seconds since 1970 */
  readonly since: number
  /** the run, with its model on the device */
  readonly run: LoadedRun
  /** predicts labels and values of rows; null: it does not predict */
  readonly predict: Batches<Asked, Prediction, Failed> | null
  /** computes vectors of texts; null: it does not embed */
  readonly embed: Batches<string, Float32Array, Failed> | null
  /** generates texts from inputs, each from the first token to the last in one turn; null: it does not */
  readonly write:
    | ((
        client: string,
        texts: ReadonlyArray<string>,
        options: WriteOptions
      ) => Effect.Effect<ReadonlyArray<WrittenText>, Failed>)
    | null
  /** continues texts; null: it does not */
  readonly writing: {
    /** the model that continues them */
    readonly run: WritingRun
    /** cache of earlier prompts */
    readonly prompts: PromptCache
  } | null
}

/** Returns whether a text is a valid model name. */
export const isModelName = (name: string): boolean => /^[A-Za-z0-9][\w.:@-]{0,99}$/.test(name)

/** A model to load. */
export interface Named {
  /** name by which clients call it: letters, digits and `_.:@-`, at most 100 characters */
  readonly name: string
  /** folder of a run or of a PEFT adapter */
  readonly run: string
}

interface ServedOptions {
  readonly turns: Scheduler
  /** stage that decodes images without the device */
  readonly decoding: Apart
  readonly metrics: Metrics
  /** maximum rows of a batch */
  readonly batchSize: number
  /** time that an idle device waits for more rows, in milliseconds */
  readonly batchWait: number
  /** the base model, if it has moved */
  readonly base?: string | undefined
  /** folder from which runs may be loaded while the server runs; undefined: none may */
  readonly adapters?: string | undefined
}

interface Entry {
  readonly served: Served
  readonly scope: Scope.Closeable
  users: number
  dropped: boolean
}

type Loading = Effect.Services<ReturnType<typeof loadTrained>>

/** Models of a server by name. Models are added and removed while it serves. */
export interface ServedModels {
  /** Returns the models that answer now. */
  readonly all: () => ReadonlyArray<Served>
  /** Returns a model by name and keeps it for as long as the scope. Without a name, returns the only model for which `does` is true. */
  readonly use: (
    name: string | undefined,
    does: (served: Served) => boolean
  ) => Effect.Effect<Served, Refusal, Scope.Scope>
  /** Loads a run named when the server started. */
  readonly load: (named: Named) => Effect.Effect<Served, Failed>
  /** Loads a run from the folder of adapters. Rejects links out of it, and a base or adapter outside of it that is not already served. */
  readonly loadInside: (named: Named) => Effect.Effect<Served, Refusal>
  /** Removes a model by name. Its tensors are released after its last request is answered. */
  readonly drop: (name: string) => Effect.Effect<void, Refusal>
}

/** Returns the refusal of a run that refers to files outside of the folder of adapters. */
const outside = (fault: string) =>
  refusal(
    403,
    `the run ${fault}; only files inside the folder of --adapters, or of models that are already served, can be loaded`,
    {
      code: "outside_adapters",
      param: "run"
    }
  )

/** Creates an empty set of models. Loaded models live until the scope ends. */
export const servedModels = ({
  turns,
  decoding,
  metrics,
  batchSize,
  batchWait,
  base,
  adapters
}: ServedOptions): Effect.Effect<ServedModels, never, Exclude<Loading, Scope.Scope> | Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context<Exclude<Loading, Scope.Scope>>()
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const parts = sharedParts()
    const entries = new Map<string, Entry>()
    const loadingPermit = yield* Semaphore.make(1)
    yield* Effect.addFinalizer((exit) =>
      Effect.forEach([...entries.values()], ({ scope }) => Scope.close(scope, exit), { discard: true })
    )

    /** Processes texts in turns, as many per turn as a batch has, or fewer while others wait. */
    const inTurns = <A, E>(
      client: string,
      kind: string,
      texts: ReadonlyArray<string>,
      make: (some: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<A>, E, Device>
    ): Effect.Effect<ReadonlyArray<A>, E> =>
      Effect.gen(function* () {
        const all: Array<A> = []
        while (all.length < texts.length) {
          const most = () => (turns.clients() > 1 ? Math.min(batchSize, turns.room(kind)) : batchSize)
          const remaining = texts.slice(all.length)
          const some = Effect.suspend(() => make(remaining.slice(0, most())))
          all.push(...(yield* turns.run({ client, kind, units: () => Math.min(most(), remaining.length) }, some)))
        }
        return all
      }).pipe(Effect.provideContext(context))

    const opened = ({ name, run: place }: Named) =>
      Effect.gen(function* () {
        const run = yield* loadTrained(place, { base })
        const { kind, adapted, plan } = run
        const batching = { turns, size: batchSize, wait: batchWait }
        const onBatch = (verb: string) => (rows: number) => metrics.batch(name, verb, rows)
        const served: Served = {
          name,
          place,
          since: Math.floor((yield* Clock.currentTimeMillis) / 1000),
          run,
          predict:
            kind.problemOf === undefined
              ? null
              : yield* batches({
                  ...batching,
                  kind: `${name} predict`,
                  ...(kind.images === undefined ? {} : { apart: decoding }),
                  compute: (rows: ReadonlyArray<Asked>) =>
                    kind.images === undefined
                      ? Effect.succeed(run.predict(rows))
                      : Effect.map(kind.images.decoded(adapted, plan, rows), Effect.provideContext(context)),
                  onBatch: onBatch("predict")
                }),
          embed:
            kind.embed === undefined
              ? null
              : yield* batches({
                  ...batching,
                  kind: `${name} embed`,
                  compute: (texts: ReadonlyArray<string>) => Effect.succeed(run.embed(texts)),
                  onBatch: onBatch("embed")
                }),
          write:
            kind.write === undefined
              ? null
              : (client, texts, options) =>
                  Effect.andThen(
                    onBatch("write")(texts.length),
                    inTurns(client, `${name} write`, texts, (some) => kind.write!(adapted, plan, some, options))
                  ),
          writing:
            kind.generation === undefined
              ? null
              : {
                  run: yield* writingRun(place, run),
                  prompts: yield* promptCaches(limit("serve-cached-tokens"))
                }
        }
        return served
      })

    const load: ServedModels["load"] = (named) =>
      Effect.gen(function* () {
        if (entries.size >= limit("serve-adapters"))
          return yield* refusal(
            503,
            `cannot serve another model: the server would have more than ${overLimit("serve-adapters")}`
          )
        if (entries.has(named.name))
          return yield* refusal(409, `${named.name} is already served; drop it first, or choose another name`, {
            code: "name_taken",
            param: "name"
          })
        const scope = yield* Scope.make()
        const served = yield* opened(named).pipe(
          Effect.provideService(Scope.Scope, scope),
          Effect.provideService(SharedParts, parts),
          Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit)))
        )
        entries.set(named.name, { served, scope, users: 0, dropped: false })
        return served
      }).pipe(turns.beside, loadingPermit.withPermits(1), Effect.provideContext(context))

    const close = (entry: Entry) =>
      Effect.suspend(() => (entry.dropped && entry.users === 0 ? Scope.close(entry.scope, Exit.void) : Effect.void))

    const all = () => [...entries.values()].map(({ served }) => served)
    const known = () => listed(all().map(({ name }) => name)).join(", ") || "none yet"

    const entryOf = (name: string | undefined, does: (served: Served) => boolean): Effect.Effect<Entry, Refusal> => {
      if (name !== undefined) {
        const entry = entries.get(name)
        if (entry !== undefined) return Effect.succeed(entry)
        const reason = `there is no model ${quoted(name)}; there are: ${known()}`
        return Effect.fail(refusal(404, reason, { code: "model_not_found", param: "model" }))
      }
      const able = [...entries.values()].filter(({ served }) => does(served))
      if (able.length === 1) return Effect.succeed(able[0]!)
      const reason = `model: is missing; expected one of ${known()}`
      return Effect.fail(refusal(400, reason, { param: "model" }))
    }

    const isInside = (root: string, target: string): boolean => {
      const way = path.relative(root, target)
      return way === "" || !(way === ".." || way.startsWith(`..${path.sep}`) || path.isAbsolute(way))
    }

    /** Fails unless a path is in the folder of adapters after following all links. */
    const inside = (root: string, place: string, fault: string) =>
      Effect.gen(function* () {
        const real = yield* fs.realPath(place).pipe(Effect.mapError(() => outside(fault)))
        if (!isInside(root, real)) return yield* outside(fault)
      })

    /** Returns the places that a run refers to: its base, and the adapter that it started from. */
    const namedIn = (folder: string) =>
      Effect.gen(function* () {
        const { plan: file } = yield* runFolder(folder)
        const { plan } = yield* readPlan(file, [], { ofRun: true })
        const from = fromOf(plan)
        return [
          {
            what: "has a base model outside that folder",
            place: plan.model.source,
            is: (run: LoadedRun) => run.plan.model.source
          },
          ...(from === undefined
            ? []
            : [
                {
                  what: "was started from an adapter outside that folder",
                  place: from,
                  is: (run: LoadedRun) => fromOf(run.plan)
                }
              ])
        ]
      }).pipe(Effect.mapError(({ message }) => refusal(422, message, { param: "run" })))

    const loadInside: ServedModels["loadInside"] = (named) =>
      Effect.gen(function* () {
        if (adapters === undefined)
          return yield* refusal(403, "this server cannot load runs; start it with --adapters DIR to allow that", {
            code: "no_adapters"
          })
        const root = yield* fs
          .realPath(adapters)
          .pipe(Effect.mapError(() => refusal(500, "the folder of --adapters no longer exists")))
        const runFolder = path.resolve(root, named.run)
        // what lies elsewhere is refused before anyone asks the disk whether it is there
        if (!isInside(root, runFolder)) return yield* outside("is outside that folder")
        if (!(yield* isThere(runFolder)))
          return yield* refusal(404, `there is no run ${quoted(named.run)} in the folder of adapters`, { param: "run" })
        yield* inside(root, runFolder, "is outside that folder")
        const names = yield* fs
          .readDirectory(runFolder, { recursive: true })
          .pipe(Effect.mapError(() => refusal(422, `${quoted(named.run)} is not a run folder`, { param: "run" })))
        if (names.length > FILES)
          return yield* refusal(422, `${quoted(named.run)} has more files than a run folder can have`, { param: "run" })
        for (const name of names)
          yield* inside(root, path.join(runFolder, name), "has a link that leads outside that folder")
        if (!(yield* isAdapter(runFolder))) {
          const serving = all().map(({ run }) => run)
          for (const { what, place: other, is } of yield* namedIn(runFolder)) {
            if (base !== undefined || serving.some((model) => is(model) === other)) continue
            if (/^hf:/.test(other)) return yield* outside(what)
            yield* inside(root, other, what)
          }
        } else if (base === undefined) {
          return yield* refusal(
            422,
            "the run is an adapter without its plan; start the server with --base to load adapters",
            { param: "run" }
          )
        }
        return yield* load({ name: named.name, run: runFolder })
      }).pipe(
        Effect.mapError(
          (error): Refusal =>
            error._tag === "Refusal" ? (error as Refusal) : refusal(422, cut(error.message, 2_000), { param: "run" })
        ),
        Effect.provideContext(context)
      )

    return {
      all,
      use: (name, does) =>
        Effect.acquireRelease(
          Effect.map(entryOf(name, does), (entry) => {
            entry.users += 1
            return entry
          }),
          (entry) =>
            Effect.suspend(() => {
              entry.users -= 1
              return close(entry)
            })
        ).pipe(Effect.map(({ served }) => served)),
      load,
      loadInside,
      drop: (name) =>
        Effect.flatMap(
          entryOf(name, () => true),
          (entry) => {
            entries.delete(name)
            entry.dropped = true
            return close(entry)
          }
        )
    }
  })

/** Maximum number of files in a run's folder, including checkpoints and pictures. */
const FILES = 10_000

/** Parses a run's name and folder: "runs/movies-1" has the name "movies-1", "movies=runs/movies-1" the name "movies". */
export const nameOfRun = (argument: string): Named => {
  const [, name, run] = /^([\w.:@-]+)=(.+)$/s.exec(argument) ?? []
  if (name !== undefined && run !== undefined) return { name, run }
  const last = argument
    .replace(/[/\\]+$/, "")
    .split(/[/\\]/)
    .at(-1)!
  return { name: last.replaceAll(/[^\w.:@-]/g, "-"), run: argument }
}

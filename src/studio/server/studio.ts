/** The studio's server, from its parts: a socket, the doorkeeper, what it answers itself, the engine, and the page's files. */

import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import ownPackage from "../../../package.json" with { type: "json" }
import { type FileError, type Files, namesIn, withoutLinks } from "../../files/index.ts"
import type { Sources } from "../../hub/hub.ts"
import { type ListenError, listen } from "../../serve/index.ts"
import { type Handlers, handlersOf } from "../engine/index.ts"
import { nameBeforeRemoval, runsOf } from "../runs/index.ts"
import { doorkeeper } from "./doorkeeper.ts"
import { type EngineCommand, engineClient, holdingRuns } from "./engine-client.ts"
import { openExports } from "./exports.ts"
import { openLauncher } from "./launcher.ts"
import type { OwnCommand } from "./processes.ts"
import { openBusy } from "./removal.ts"
import { routes } from "./routes.ts"
import { pageFiles, servedFiles } from "./served-files.ts"
import { openStateFolder, type StateFolder, type StudioOpen } from "./state-folder.ts"
import { openStore } from "./store.ts"
import { openStudies } from "./studies.ts"
import { openTrust, type Trust } from "./trust.ts"

export interface StudioOptions {
  readonly host: string
  /** 0: one that is free */
  readonly port: number
  /** of the built page */
  readonly page: string
  readonly engine: EngineCommand
  /** the command that starts a run */
  readonly program: OwnCommand
  /** flags of the device, for runs */
  readonly flags: ReadonlyArray<string>
  /** lines for whoever started it */
  readonly say: (line: string) => void
}

export interface Studio {
  /** what opens it in a browser, once: later addresses are said */
  readonly url: string
  /** reasons why the folder is open read-only; empty: trusted */
  readonly doubts: ReadonlyArray<string>
  /** folders of the runs that are under way */
  readonly underWay: Effect.Effect<ReadonlyArray<string>, never, Files>
}

const aboutHandlers = ({ doubts, trust }: Trust): Partial<Handlers<Sources>> => ({
  calls: {
    about: () =>
      Effect.sync(() => ({
        version: ownPackage.version,
        location: process.cwd(),
        abilities: ["paths", "compare", "remove", "push"] as const,
        doubts: doubts()
      })),
    trust: () => Effect.as(trust, null)
  }
})

/** Those that wait get their turn within this time after another has ended. */
const TURNS = "1 second"
const SWEEPS = "1 minute"

/** Whose folders are shown besides those of runs: exports and studies. */
const SHOWN = ["exports", "compare"]

const foldersOf = (runs: Effect.Effect<ReadonlyArray<string>, never, Files>) =>
  Effect.gen(function* () {
    const entries = yield* Effect.forEach(SHOWN, (top) =>
      Effect.map(namesIn(top), (names) => names.map((name) => ({ top, name })))
    )
    const visible = entries.flat().filter(({ name }) => nameBeforeRemoval(name) === undefined)
    return [...(yield* runs), ...visible.map(({ top, name }) => `${top}/${name}`)]
  })

/** Serves until the scope ends. */
export const openStudio = (
  options: StudioOptions
): Effect.Effect<Studio, ListenError | StudioOpen | FileError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const page = yield* pageFiles(options.page)
    const state = yield* openStateFolder
    const trust = yield* openTrust(state.folder)
    // the folder may come from anywhere: no link in it is followed, and nothing changes in it before it is trusted
    const files = yield* withoutLinks(".", () => trust.doubts().length > 0)
    return yield* Effect.provideService(open(options, page, state, trust), FileSystem.FileSystem, files)
  })

const open = (
  { host, port, engine, program, flags, say }: StudioOptions,
  page: (path: string) => Effect.Effect<Response | undefined>,
  { folder: state, announce }: StateFolder,
  trust: Trust
): Effect.Effect<Studio, ListenError | FileError, Sources | Scope.Scope> =>
  Effect.gen(function* () {
    const door = doorkeeper()
    const busy = openBusy()
    const client = holdingRuns(yield* engineClient(engine, say), busy)
    const launcher = yield* openLauncher(program, flags, state, busy)
    const runs = runsOf(launcher)
    yield* launcher.turn.pipe(
      Effect.andThen(launcher.look((id) => Effect.map(runs.summary(id), ({ step }) => step))),
      Effect.catch(({ message }) => Effect.sync(() => say(message))),
      Effect.repeat(Schedule.spaced(TURNS)),
      Effect.forkScoped
    )
    const store = openStore()
    yield* store.clear
    yield* store.sweep.pipe(Effect.repeat(Schedule.spaced(SWEEPS)), Effect.forkScoped)
    let origin = ""
    const address = () => `${origin}/#open=${door.code()}`
    const fetch = yield* routes({
      door,
      onAdmitted: Effect.suspend(() => announce(address())).pipe(
        Effect.catch(({ message }) => Effect.sync(() => say(message))),
        Effect.andThen(Effect.sync(() => say(`opened; to open it again elsewhere: ${address()}`)))
      ),
      doubts: trust.doubts,
      handlers: handlersOf(
        aboutHandlers(trust),
        runs.handlers,
        yield* openExports(program, flags, runs.ids, busy),
        yield* openStudies(program, flags, state)
      ),
      engine: client,
      page,
      store,
      file: servedFiles(foldersOf(runs.ids)),
      onBug: say
    })
    const listening = yield* listen(fetch, { host, port, isDraining: () => false, bodySeconds: 0 })
    origin = listening.url
    yield* announce(address())
    return { url: address(), doubts: trust.doubts(), underWay: launcher.underWay }
  })

/** The studio's server, from its parts: a socket, the doorkeeper, what it answers itself, the engine, and the page's files. */

import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import ownPackage from "../../../package.json" with { type: "json" }
import type { FileError } from "../../files/index.ts"
import { type ListenError, listen } from "../../serve/index.ts"
import { type Handlers, handlersOf } from "../engine/index.ts"
import { runsOf } from "../runs/index.ts"
import { doorkeeper } from "./doorkeeper.ts"
import { type EngineCommand, engineClient } from "./engine-client.ts"
import { type OwnCommand, openLauncher } from "./launcher.ts"
import { pageFiles } from "./page-files.ts"
import { routes } from "./routes.ts"

export type ServerNeeds = FileSystem.FileSystem | Path.Path

export interface StudioOptions {
  readonly host: string
  /** 0: one that is free */
  readonly port: number
  readonly token: string
  /** of the built page */
  readonly page: string
  readonly engine: EngineCommand
  /** how the command line is started for a run */
  readonly program: OwnCommand
  /** flags of the device, for runs */
  readonly flags: ReadonlyArray<string>
  /** lines for whoever started it */
  readonly say: (line: string) => void
}

export interface Studio {
  /** with the token: to be opened in a browser */
  readonly url: string
}

const aboutHandlers: Partial<Handlers<ServerNeeds>> = {
  calls: {
    about: () =>
      Effect.succeed({ version: ownPackage.version, place: process.cwd(), abilities: ["paths", "compare"] as const })
  }
}

/** Those that wait get their turn within this time after another has ended. */
const TURNS = "1 second"

/** Serves until the scope ends. */
export const openStudio = ({
  host,
  port,
  token,
  page,
  engine,
  program,
  flags,
  say
}: StudioOptions): Effect.Effect<Studio, ListenError | FileError, ServerNeeds | Scope.Scope> =>
  Effect.gen(function* () {
    let own = port
    const door = doorkeeper(token, () => own)
    const client = yield* engineClient(engine, say)
    const launcher = yield* openLauncher(program, flags)
    const runs = runsOf(launcher)
    yield* runs.ids.pipe(
      Effect.flatMap(launcher.turn),
      Effect.catch(({ message }) => Effect.sync(() => say(message))),
      Effect.repeat(Schedule.spaced(TURNS)),
      Effect.forkScoped
    )
    const none = () => Effect.succeed(new Response("not yet\n", { status: 404 }))
    const fetch = yield* routes({
      door,
      handlers: handlersOf(aboutHandlers, runs.handlers),
      engine: client,
      page: yield* pageFiles(page),
      store: none,
      file: none,
      onBug: say
    })
    const listening = yield* listen(fetch, { host, port, isDraining: () => false })
    own = listening.port
    return { url: `${listening.url}/?token=${token}` }
  })

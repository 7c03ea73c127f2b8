/** The studio's server, from its parts: a socket, the doorkeeper, what it answers itself, the engine, and the page's files. */

import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type * as Scope from "effect/Scope"
import ownPackage from "../../../package.json" with { type: "json" }
import { type ListenError, listen } from "../../serve/index.ts"
import { type Handlers, handlersOf } from "../engine/index.ts"
import { doorkeeper } from "./doorkeeper.ts"
import { type EngineCommand, engineClient } from "./engine-client.ts"
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
  /** lines for whoever started it */
  readonly say: (line: string) => void
}

export interface Studio {
  /** with the token: to be opened in a browser */
  readonly url: string
}

/** What the server answers itself: everything about folders and processes. */
const serverHandlers: Handlers<ServerNeeds> = handlersOf({
  calls: {
    about: () =>
      Effect.succeed({ version: ownPackage.version, place: process.cwd(), abilities: ["paths", "compare"] as const })
  }
})

/** Serves until the scope ends. */
export const openStudio = ({
  host,
  port,
  token,
  page,
  engine,
  say
}: StudioOptions): Effect.Effect<Studio, ListenError, ServerNeeds | Scope.Scope> =>
  Effect.gen(function* () {
    let own = port
    const door = doorkeeper(token, () => own)
    const client = yield* engineClient(engine, say)
    const none = () => Effect.succeed(new Response("not yet\n", { status: 404 }))
    const fetch = yield* routes({
      door,
      handlers: serverHandlers,
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

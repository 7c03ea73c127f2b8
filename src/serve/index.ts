/**
 * Serves trained runs over HTTP: `openServer` for a handler that works with any server, `serving` and `listen` for programs in Effect.
 * docs/serve.md documents requests and responses.
 *
 * @example
 * import { openServer } from "tfjs-lora-pro/serve"
 *
 * const server = await openServer({ runs: ["runs/movies-1"] })
 * Bun.serve({ port: 8000, fetch: server.fetch })
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Device, type DeviceChoice, type DeviceOptions } from "../device/index.ts"
import { platform } from "../platform.ts"
import { nameOfRun } from "./served.ts"
import { type Serving, type ServingOptions, serving } from "./serving.ts"

export type { Connection } from "./clients.ts"
export { ListenError, type Listening, type ListenOptions, listen } from "./listener.ts"
export { isModelName, type Named, nameOfRun, type Served, type ServedModels } from "./served.ts"
export { type Serving, type ServingOptions, serving } from "./serving.ts"

/** Runs, device and limits of a server. */
export interface OpenServerOptions extends Omit<ServingOptions, "runs"> {
  /** folders of runs, optionally with names: "runs/movies-1", "movies=runs/movies-1" */
  readonly runs: ReadonlyArray<string>
  /** device; default "auto" */
  readonly device?: DeviceChoice
  /** CPU threads of native and wasm, at most 8; default "auto": the number of available cores */
  readonly threads?: DeviceOptions["threads"]
}

/** A server's request handler, for any listener. */
export interface OpenServer extends Pick<Serving, "fetch" | "active"> {
  /** Stops accepting requests, waits up to `seconds` for pending ones (default 10), and releases all resources. */
  readonly close: (seconds?: number) => Promise<void>
}

/**
 * Loads runs and returns a handler of requests for them. Rejects if a run cannot be loaded, with an error that names the problem.
 *
 * @example
 * import { createServer } from "node:http"
 * import { openServer } from "tfjs-lora-pro/serve"
 *
 * const { fetch: answer, close } = await openServer({ runs: ["movies=runs/movies-1"], device: "wasm" })
 * createServer(async ({ url, socket }, response) => {
 *   const request = new Request(new URL(url ?? "/", "http://localhost"))
 *   const answered = await answer(request, { address: socket.remoteAddress })
 *   response.writeHead(answered.status, Object.fromEntries(answered.headers)).end(await answered.text())
 * }).listen(8000)
 * process.once("SIGTERM", () => void close())
 */
export const openServer = async ({
  runs,
  device = "auto",
  threads = "auto",
  ...options
}: OpenServerOptions): Promise<OpenServer> => {
  const scope = Scope.makeUnsafe()
  const opened = Effect.gen(function* () {
    const services = yield* Layer.buildWithScope(Layer.merge(Device.layer(device, { threads }), platform), scope)
    return yield* serving({ ...options, runs: runs.map(nameOfRun) }).pipe(
      Effect.provideContext(services),
      Effect.provideService(Scope.Scope, scope)
    )
  }).pipe(Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))))
  const server = await Effect.runPromise(opened)
  return {
    fetch: server.fetch,
    active: server.active,
    close: (seconds = 10) =>
      Effect.runPromise(Effect.asVoid(Effect.andThen(server.drain(seconds), Scope.close(scope, Exit.void))))
  }
}

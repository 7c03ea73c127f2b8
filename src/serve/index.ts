/**
 * Trained runs over HTTP: `openServer` for a handler that any server takes, `serving` and `listen` for programs of effects. docs/serve.md
 * says what is asked and answered.
 *
 * @example
 * import { openServer } from "tfjs-lora-pro/serve"
 *
 * const server = await openServer({ runs: ["runs/movies-1"] })
 * Bun.serve({ port: 8000, fetch: server.fetch })
 */
export type { Connection } from "./clients.ts"
export { ListenError, type Listening, type ListenOptions, listen } from "./listener.ts"
export { type OpenServer, type OpenServerOptions, openServer } from "./open-server.ts"
export { isModelName, type Named, nameOfRun, type Served, type ServedModels } from "./served.ts"
export { type Serving, type ServingOptions, serving } from "./serving.ts"

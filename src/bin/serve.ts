/**
 * `serve RUN…`: serves trained runs over HTTP until a signal; then completes running requests, and exits with 0. Prints its URL as the
 * first line of stdout, and messages to stderr.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { counted } from "../boundary/index.ts"
import { isModelName, listen, nameOfRun, serving } from "../serve/index.ts"
import type { Given, serveFlags } from "./flags.ts"
import { onDevice } from "./on-device.ts"
import { print, screen, tell, userError } from "./output.ts"

export const API_KEY_VARIABLE = "TFJS_LORA_PRO_API_KEY"
export const TOKEN_VARIABLE = "TFJS_LORA_PRO_TOKEN"

const secret = (name: string): string | undefined => process.env[name] || undefined

/** Returns runs with their names. Fails if a name is invalid or not unique: they are also model names of the OpenAI API. */
const named = (runs: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const all = runs.map(nameOfRun)
    const wrong = all.find(({ name }) => !isModelName(name))
    if (wrong !== undefined)
      yield* userError(`${wrong.run} cannot be served under its own name: choose one with NAME=${wrong.run}`)
    const names = all.map(({ name }) => name)
    const twice = names.find((name, i) => names.indexOf(name) < i)
    if (twice !== undefined)
      yield* userError(`two runs are called ${twice}: choose another name for one of them with NAME=RUN`)
    return all
  })

export const serve = ({
  runs,
  host,
  port,
  base,
  adapters,
  cors,
  batch,
  batchWait,
  grace,
  device,
  threads
}: Given<typeof serveFlags>) =>
  Effect.gen(function* () {
    const folder = Option.getOrUndefined(adapters)
    const token = secret(TOKEN_VARIABLE)
    // a bearer token has neither spaces nor commas
    const apiKey = secret(API_KEY_VARIABLE)
      ?.split(/[\s,]+/)
      .filter((key) => key !== "")
    const all = yield* named(runs)
    if (all.length === 0 && (folder === undefined || token === undefined))
      yield* userError(
        `found no run to serve; pass at least one, or pass --adapters DIR and set ${TOKEN_VARIABLE} to load runs later`
      )
    const server = yield* serving({
      runs: all,
      base: Option.getOrUndefined(base),
      adapters: folder,
      adminToken: token,
      apiKey,
      cors,
      batchSize: batch,
      batchWait,
      onBug: (report) => screen.write(`${report}\n`)
    })
    let draining = false
    const listening = yield* listen(server.fetch, { host, port, isDraining: () => draining })
    yield* print(listening.url)
    const names = server.models.all().map(({ name }) => name)
    yield* tell(`serving ${names.length === 0 ? "no runs yet" : names.join(", ")}; press Ctrl-C to stop`)
    if (apiKey === undefined && !/^(localhost|127\.|\[?::1)/.test(host))
      yield* tell(`note: any client that can reach ${host} can send requests; set ${API_KEY_VARIABLE} to require a key`)
    yield* Effect.never.pipe(
      Effect.ensuring(
        Effect.gen(function* () {
          draining = true
          yield* listening.stop
          const active = server.active()
          yield* tell(
            active === 0
              ? "stopping"
              : `stopping; ${counted(active, "request")} may take up to ${grace} seconds to finish`
          )
          if (!(yield* server.drain(grace)))
            yield* tell(`cancelled the requests that did not finish within ${grace} seconds`)
          // a signal is the regular end of a server
          process.exitCode = 0
        })
      )
    )
  }).pipe(onDevice(device, threads))

/** `studio`: serves the app in the browser until a signal. Its URL is the first line of stdout. */
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { listed } from "../boundary/index.ts"
import { ownProgram } from "../compare/index.ts"
import { ANCESTOR, PARENT } from "../compare/parent-watch.ts"
import { Device } from "../device/index.ts"
import { builtPage, ComesWith, engineProcess, openStudio } from "../studio/index.ts"
import { embedded, includedModels } from "./embedded.ts"
import type { Given, studioFlags } from "./flags.ts"
import { print, screen, tell, userError } from "./output.ts"

const OPEN =
  "warning: connections to this address are not encrypted: anyone who can read the traffic can read files and train here"

const isLocal = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)

/** Environment variable of the process that computes: the same program, with the same command. */
const ENGINE = "TFJS_LORA_PRO_STUDIO_ENGINE"

/** Bundled models and rows, as paths relative to the working directory. */
const comesWith = Effect.gen(function* () {
  const path = yield* Path.Path
  const named = (folder: string) => {
    const below = path.relative(process.cwd(), folder)
    return below.startsWith("..") ? folder : below
  }
  return {
    models: Object.values(includedModels).map(({ source }) => named(source)),
    rows: [
      {
        name: "movie sentences",
        says: "1,500 sentences of film reviews, positive or negative",
        source: named(embedded.data.train)
      }
    ]
  }
})

export const studio = ({ host, port, device, threads }: Given<typeof studioFlags>) =>
  Effect.gen(function* () {
    const say = (line: string) => screen.write(`${line}\n`)
    if (process.env[ENGINE] !== undefined)
      return yield* engineProcess(say).pipe(
        Effect.provideService(ComesWith, yield* comesWith),
        Effect.provide(Device.layer(device, { threads }))
      )
    const { runtime, args } = ownProgram()
    const flags = ["--device", device, ...(threads === "auto" ? [] : ["--threads", `${threads}`])]
    // the studio's parent is not the parent of its runs
    const { [PARENT]: _, [ANCESTOR]: __, ...env } = process.env
    const { url, doubts, underWay } = yield* openStudio({
      host,
      port,
      page: yield* builtPage,
      engine: {
        runtime,
        args: [...args, "studio", ...flags],
        env: { ...env, [ENGINE]: "1", [PARENT]: `${process.pid}` }
      },
      program: { runtime, args, env },
      flags,
      say
    }).pipe(
      Effect.catchTag("ListenError", ({ message }) =>
        Effect.fail(userError(`${message}; choose another port with --port N, or pass --port 0 for any free port`))
      )
    )
    yield* print(url)
    yield* tell("open it in a browser; press Ctrl-C to stop the studio (runs continue)")
    if (doubts.length > 0)
      yield* tell(`this folder is read-only until you trust it in the studio; it contains ${doubts.join("; ")}`)
    if (!isLocal(host)) yield* tell(OPEN)
    process.exitCode = 0
    return yield* Effect.never.pipe(Effect.onInterrupt(() => Effect.flatMap(underWay, farewell)))
  }).pipe(Effect.scoped)

/** Returns the message at the end of the command. */
const farewell = (runs: ReadonlyArray<string>) =>
  runs.length === 0
    ? Effect.void
    : tell(
        `${listed(runs).join(", ")} ${runs.length === 1 ? "continues" : "continue"}; reopen the studio to watch or stop ${runs.length === 1 ? "it" : "them"}`
      )

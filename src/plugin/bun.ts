/**
 * tfjs-lora-pro in Bun: `./bun` of the package. In a bunfig.toml, `preload = ["tfjs-lora-pro/bun"]` (and the same under `[test]`) makes
 * every `import plan from "./x.plan.json"` return a checked plan and registers tfjs's wasm backend. Programs that only run in Bun
 * import their devices from here.
 *
 *   default   the RunPlan, with all defaults filled in and absolute input paths
 *   name      the name of its runs, the second argument of `resolve`
 *   file      the absolute path of the plan file
 *
 * Importing an invalid plan fails with the messages of `validate`. `Bun.build` does the same while bundling; the bundle contains the plan
 * with the input paths of the machine that built it.
 *
 * @example
 * import { Effect } from "effect"
 * import { platform, resolve, train } from "tfjs-lora-pro"
 * import { auto } from "tfjs-lora-pro/bun"
 * import plan, { name } from "./movies.plan.json"
 *
 * const report = await resolve(plan, name).pipe(
 *   Effect.flatMap((resolved) => train(resolved)),
 *   Effect.scoped,
 *   Effect.provide(auto),
 *   Effect.provide(platform),
 *   Effect.runPromise
 * )
 */
import { isAbsolute, relative } from "node:path"
import process from "node:process"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type PlanFile, readPlan } from "../plan/index.ts"
import { platform } from "../platform.ts"
import { PLAN_FILE } from "./plan-types.ts"

export { auto, bun, install, layer } from "../device/bun.ts"

/** The members of Bun's plugin builder that this plugin uses. */
interface PluginBuilder {
  onLoad(
    where: { readonly filter: RegExp },
    load: (module: { readonly path: string }) => Promise<{ readonly loader: "js"; readonly contents: string }>
  ): unknown
}

/** Returns a path as a user in the working directory would write it. */
const named = (file: string): string => {
  const path = relative(process.cwd(), file)
  return path.startsWith("..") || isAbsolute(path) ? file : path
}

/** Removes the stack, for which Bun would print source code of this package; the message has the problem and its place. */
const withoutStack = ({ _tag, message }: { readonly _tag: string; readonly message: string }): Error => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return Object.assign(new Error(message), { name: _tag })
  } finally {
    Error.stackTraceLimit = limit
  }
}

const moduleOf = ({ plan, name, file }: PlanFile): string =>
  [
    `export default ${JSON.stringify(plan)}`,
    `export const name = ${JSON.stringify(name)}`,
    `export const file = ${JSON.stringify(file)}`
  ].join("\n")

/**
 * Bun plugin that loads `*.plan.json`. Importing `tfjs-lora-pro/bun` registers it for the process; pass it to `Bun.build` for
 * bundles. An import fails with an Error named PlanError (every problem of the plan) or PlanFileError (not JSON: line and column).
 *
 * @example
 * import { planLoader } from "tfjs-lora-pro/bun"
 *
 * await Bun.build({ entrypoints: ["server.ts"], target: "bun", plugins: [planLoader] })
 */
export const planLoader = {
  name: "tfjs-lora-pro",
  setup: (build: PluginBuilder): void => {
    build.onLoad({ filter: PLAN_FILE }, async ({ path }) => {
      const read = await Effect.runPromise(Effect.result(readPlan(named(path))).pipe(Effect.provide(platform)))
      if (Result.isFailure(read)) throw withoutStack(read.failure)
      return { loader: "js", contents: moduleOf(read.success) }
    })
  }
}

const { Bun: runtime } = globalThis as { readonly Bun?: { plugin(plugin: typeof planLoader): unknown } }
runtime?.plugin(planLoader)

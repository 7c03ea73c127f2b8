/**
 * tfjs-lora-pro in Bun: `./bun` of the package. In a bunfig.toml, `preload = ["tfjs-lora-pro/bun"]` (and the same under `[test]`) makes
 * every `import plan from "./x.plan.json"` a checked plan and gives tfjs its wasm backend; a program that knows it runs in Bun
 * imports its devices from here.
 *
 * @example
 * import plan, { name } from "./movies.plan.json"
 * const report = yield* resolve(plan, name).pipe(Effect.flatMap(train), Effect.provide(auto))
 */
import { planLoader } from "./plan-loader.ts"

export { auto, bun, install, layer } from "../device/bun.ts"
export { planLoader } from "./plan-loader.ts"

const { Bun: runtime } = globalThis as { readonly Bun?: { plugin(plugin: typeof planLoader): unknown } }
runtime?.plugin(planLoader)

/**
 * Type declarations of imported plans: `./plan-files` of the package, named in `compilerOptions.types` or by
 * `/// <reference types="tfjs-lora-pro/plan-files" />`.
 *
 * TypeScript prefers files to patterns. With `resolveJsonModule`, which `moduleResolution: "bundler"` enables, it infers the type from the
 * JSON: set `resolveJsonModule: false`, or run `tfjs-lora-pro schema --types x.plan.json`, which writes `x.plan.d.json.ts`, and set
 * `allowArbitraryExtensions: true`; the written file takes precedence over both. (Do not use these declarations with `module: "NodeNext"`, which
 * gives JSON imports Node's semantics: a default export only, and an import attribute.)
 */
declare module "*.plan.json" {
  /** The decoded plan, with all defaults filled in and absolute input paths. */
  const plan: import("../../schemas/index.ts").RunPlan
  export default plan
  /** The name of the plan's runs. */
  export const name: string
  /** The absolute path of the plan file. */
  export const file: string
}

/**
 * The type of every imported plan: `./plan-files` of the package, named in `compilerOptions.types` or by
 * `/// <reference types="tfjs-lora-pro/plan-files" />`.
 *
 * TypeScript prefers a file to a pattern. With `resolveJsonModule`, which `moduleResolution: "bundler"` turns on, it reads the JSON and
 * infers its type: set `resolveJsonModule: false`, or have `tfjs-lora-pro schema --types x.plan.json` write `x.plan.d.json.ts`, which
 * comes before both, and set `allowArbitraryExtensions: true`. (`module: "NodeNext"` gives an import of JSON Node's meaning, its default
 * alone and under an attribute, and so is not for these.)
 */
declare module "*.plan.json" {
  /** The decoded plan: every default filled in, input paths absolute. */
  const plan: import("../../schemas/index.ts").RunPlan
  export default plan
  /** What a run of it is called. */
  export const name: string
  /** The plan's file, absolute. */
  export const file: string
}

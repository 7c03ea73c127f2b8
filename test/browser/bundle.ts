/** One script for a browser out of a TypeScript entry, and what went into it. */
import { join } from "node:path"

export const repository = join(import.meta.dir, "..", "..")

export interface Bundle {
  readonly script: string
  /** paths of the files in it, relative to the repository */
  readonly inputs: ReadonlyArray<string>
}

export const bundle = async (entry: string): Promise<Bundle> => {
  const built = await Bun.build({ entrypoints: [entry], target: "browser", metafile: true, root: repository })
  if (!built.success) throw new Error(built.logs.map(String).join("\n"))
  return { script: await built.outputs[0]!.text(), inputs: Object.keys(built.metafile!.inputs) }
}

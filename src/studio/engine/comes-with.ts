/** The models and rows that come with the program, which each host has somewhere else. */
import * as Context from "effect/Context"
import type { ExampleRows } from "../protocol/index.ts"

export interface ComesWith {
  /** folders or files of models; a new run begins with the first */
  readonly models: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ExampleRows>
}

export const ComesWith = Context.Reference<ComesWith>("tfjs-lora-pro/StudioComesWith", {
  defaultValue: () => ({ models: [], rows: [] })
})

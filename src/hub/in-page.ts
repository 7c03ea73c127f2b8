/**
 * What a page has in place of `index.ts` (package.json, "browser"): it has no cache of the Hub, and so nothing of what fills one, which
 * imports modules of Node.
 */
import * as Effect from "effect/Effect"
import { type HubError, hubError } from "./hub-source.ts"

export type { HubError }

export const resolveSource = (source: string): Effect.Effect<string, HubError> =>
  Effect.fail(hubError(source, "a browser page has no cache of the Hub; give it the model's files with fetchFiles"))

export const resolveAdapter = resolveSource

export const datasetFiles = (address: string): Effect.Effect<ReadonlyArray<string>, HubError> =>
  Effect.fail(hubError(address, "a browser page has no cache of the Hub; give it the file of rows"))

/**
 * Where the Hub is, who asks, and where its files are kept: the variables that Hugging Face's own programs read.
 *
 *   HF_ENDPOINT  HF_TOKEN  HF_HUB_OFFLINE  HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { type HubError, hubError } from "./hub-error.ts"

export interface HubSettings {
  readonly endpoint: string
  readonly token: string | undefined
  readonly offline: boolean
  readonly cache: string
}

const names = [
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HF_HUB_OFFLINE",
  "HF_HUB_CACHE",
  "HF_HOME",
  "XDG_CACHE_HOME",
  "HOME",
  "USERPROFILE"
] as const

export const readSettings = (source: string): Effect.Effect<HubSettings, HubError, Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const found = new Map<string, string>()
    for (const name of names) {
      const value = yield* Config.option(Config.String(name)).pipe(
        Effect.mapError(({ message }) => hubError(source, `the variable ${name} cannot be read: ${message}`))
      )
      if (Option.isSome(value) && value.value !== "") found.set(name, value.value)
    }
    const token = found.get("HF_TOKEN")
    if (token !== undefined && !token.startsWith("hf_")) {
      return yield* hubError(source, "the variable HF_TOKEN holds no token of the Hub: they begin with hf_")
    }
    const home = found.get("HOME") ?? found.get("USERPROFILE") ?? "."
    const general = found.get("XDG_CACHE_HOME") ?? path.join(home, ".cache")
    const own = found.get("HF_HOME") ?? path.join(general, "huggingface")
    return {
      endpoint: (found.get("HF_ENDPOINT") ?? "https://huggingface.co").replace(/\/+$/, ""),
      token,
      offline: /^(1|true|yes|on)$/i.test(found.get("HF_HUB_OFFLINE") ?? ""),
      cache: found.get("HF_HUB_CACHE") ?? path.join(own, "hub")
    }
  })

/**
 * Addresses of models on the Hub in plans:
 *
 *   hf:owner/name      hf:owner/name@revision      hf:owner/name/file.gguf      hf:owner/name/folder/file.gguf@revision
 *
 * A revision is a branch, a tag or a commit. Default "main".
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { withoutSecrets } from "../boundary/index.ts"
import { readTextFile } from "../files/index.ts"
import { type HubError, hubError, isPart, PREFIX } from "./hub.ts"

export interface HubSource {
  readonly source: string
  readonly type: "model" | "dataset"
  /** repository, as owner/name */
  readonly repository: string
  readonly revision: string
  /** a file of the repository; null: the required files of a model's folder, or a split of a dataset */
  readonly file: string | null
}

export const parseHubSource = (source: string): Effect.Effect<HubSource, HubError> => {
  const [path = "", revision = "main", ...more] = source.slice(PREFIX.length).split("@")
  const parts = path.split("/")
  const revisionParts = revision.split("/")
  const [owner, name, ...file] = parts
  const expected = "expected hf:owner/name, hf:owner/name@revision or hf:owner/name/file.gguf"
  if (more.length > 0 || owner === undefined || name === undefined || ![...parts, ...revisionParts].every(isPart)) {
    return Effect.fail(hubError(source, `is not the address of a model; ${expected}`))
  }
  if (file.length > 0 && !path.endsWith(".gguf")) {
    return Effect.fail(hubError(source, `names the file ${file.join("/")}; only .gguf files can be named, ${expected}`))
  }
  const repository = `${owner}/${name}`
  return Effect.succeed({
    source,
    type: "model",
    repository,
    revision,
    file: file.length === 0 ? null : file.join("/")
  })
}

/**
 * Endpoint, token and cache folder of the Hub, from the variables and the file that Hugging Face's own tools read:
 *
 *   HF_ENDPOINT  HF_HUB_OFFLINE
 *   HF_TOKEN, else HUGGING_FACE_HUB_TOKEN, else the file HF_TOKEN_PATH, else HF_HOME/token, which `hf auth login` writes
 *   HF_HUB_CACHE, else HF_HOME/hub
 *   HF_HOME, else XDG_CACHE_HOME/huggingface, else ~/.cache/huggingface
 */
export interface HubSettings {
  /** URL, without a user name and password */
  readonly endpoint: string
  /** Authorization header, sent to the endpoint only: the token, or the user name and password of HF_ENDPOINT */
  readonly authorization: string | undefined
  /** source of `authorization`, also if it is undefined: "HF_TOKEN" or a file */
  readonly authorizedBy: string
  readonly offline: boolean
  readonly cache: string
}

const names = [
  "HF_ENDPOINT",
  "HF_TOKEN",
  "HUGGING_FACE_HUB_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HUB_OFFLINE",
  "HF_HUB_CACHE",
  "HF_HOME",
  "XDG_CACHE_HOME",
  "HOME",
  "USERPROFILE"
] as const

const isToken = (text: string): boolean => /^hf_[\x21-\x7e]+$/.test(text)

/** Upper limit; a token has about forty characters. */
const MOST_OF_A_TOKEN = 4_096

export const readSettings = (source: string): Effect.Effect<HubSettings, HubError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const variables = new Map<string, string>()
    for (const name of names) {
      const value = yield* Config.option(Config.String(name)).pipe(
        Effect.mapError(({ message }) => hubError(source, `the variable ${name} cannot be read: ${message}`))
      )
      if (Option.isSome(value) && value.value !== "") variables.set(name, value.value)
    }
    const variable = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].find((name) => variables.has(name))
    const environmentToken = variable === undefined ? undefined : variables.get(variable)?.trim()
    if (environmentToken !== undefined && !isToken(environmentToken)) {
      return yield* hubError(source, `the variable ${variable} does not hold a Hub token, which begins with hf_`)
    }
    const endpoint = variables.get("HF_ENDPOINT") ?? "https://huggingface.co"
    const parsed = parseEndpoint(endpoint)
    if (parsed === undefined) {
      const holds = `the variable HF_ENDPOINT holds ${withoutSecrets(endpoint)}, which is not a server address`
      return yield* hubError(source, `${holds}; expected one such as https://huggingface.co`)
    }
    const home = variables.get("HOME") ?? variables.get("USERPROFILE") ?? "."
    const general = variables.get("XDG_CACHE_HOME") ?? path.join(home, ".cache")
    const hubFolder = variables.get("HF_HOME") ?? path.join(general, "huggingface")
    const tokenFile = variables.get("HF_TOKEN_PATH") ?? path.join(hubFolder, "token")
    // a user name and password replace a token
    const stored = environmentToken === undefined && parsed.basic === undefined ? yield* tokenIn(tokenFile) : undefined
    const token = environmentToken ?? stored
    return {
      endpoint: parsed.endpoint,
      authorization: token === undefined ? parsed.basic : `Bearer ${token}`,
      authorizedBy: variable ?? (parsed.basic === undefined ? tokenFile : "HF_ENDPOINT"),
      offline: /^(1|true|yes|on)$/i.test(variables.get("HF_HUB_OFFLINE") ?? ""),
      cache: variables.get("HF_HUB_CACHE") ?? path.join(hubFolder, "hub")
    }
  })

/** Reads a token from a file. Returns undefined for a missing file or an invalid token, and never reports the content, which may be secret. */
const tokenIn = (file: string) =>
  Effect.map(readTextFile(file, MOST_OF_A_TOKEN).pipe(Effect.orElseSucceed(() => "")), (text) =>
    isToken(text.trim()) ? text.trim() : undefined
  )

/** Parses an endpoint. Returns undefined for an invalid one. */
const parseEndpoint = (address: string) => {
  try {
    const { protocol, origin, pathname, username, password } = new URL(address)
    if (!/^https?:$/.test(protocol)) return undefined
    const user = new TextEncoder().encode(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
    const basic = username + password === "" ? undefined : `Basic ${btoa(String.fromCharCode(...user))}`
    return { endpoint: `${origin}${pathname}`.replace(/\/+$/, ""), basic }
  } catch {
    return undefined
  }
}

/**
 * What the base model's own card says of its licence and origin: the scalar lines of its YAML front matter. Nested metadata is not
 * looked into; a card that is missing or says nothing gives nothing.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

export interface BaseCard {
  readonly license?: string
  readonly licenseName?: string
  readonly licenseLink?: string
  /** one value or the first of several */
  readonly language?: string
  /** what the base itself was made from */
  readonly baseModel?: string
}

export const readBaseCard = (file: string): Effect.Effect<BaseCard, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    return parseBaseCard(yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => "")))
  })

export const parseBaseCard = (text: string): BaseCard => {
  const front = /^---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)?.[1] ?? ""
  const scalar = (key: string) => {
    const line = new RegExp(`^${key}:[ \\t]*(.+?)[ \\t]*\\r?$`, "m").exec(front)?.[1]
    if (line === undefined) return undefined
    const quoted = /^(["'])(.*)\1(?:\s+#.*)?$/.exec(line)
    if (quoted !== null) return quoted[2]!
    // lists, maps, anchors and block texts are not scalars
    const plain = line.replace(/\s+#.*$/, "")
    return /^[[{&*!|>%@`#-]/.test(plain) || plain === "" ? undefined : plain
  }
  const found = {
    license: scalar("license"),
    licenseName: scalar("license_name"),
    licenseLink: scalar("license_link"),
    language: scalar("language"),
    baseModel: scalar("base_model")
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))
}

/** The model card of a base model: the YAML front matter of the README.md in its folder, as the Hugging Face Hub defines it. */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { readTextFile } from "../files/index.ts"

/** Licence, languages and origin in a base model's own model card. Nested metadata is ignored. */
export interface BaseCard {
  /** identifier on the Hub, or "other" */
  readonly license?: string
  /** name of a licence that is "other" */
  readonly licenseName?: string
  /** URL of the licence's text */
  readonly licenseLink?: string
  /** codes such as "en", at least one */
  readonly languages?: ReadonlyArray<string>
  /** model from which the base was derived */
  readonly baseModel?: string
}

/** Reads a base model's card; {} without a card. Never fails. */
export const readBaseCard = (file: string): Effect.Effect<BaseCard, never, FileSystem.FileSystem> =>
  Effect.map(readTextFile(file).pipe(Effect.orElseSucceed(() => "")), parseBaseCard)

/** A scalar, without its quotes and its comment; undefined: it is a list, a map, an anchor or a block text. */
const scalarOf = (text: string): string | undefined => {
  const line = text.trim()
  const quoted = /^(["'])(.*)\1(?:\s+#.*)?$/.exec(line)
  if (quoted !== null) return quoted[2]!
  const comment = line.search(/\s#/)
  const plain = comment < 0 ? line : line.slice(0, comment).trimEnd()
  return /^[[{&*!|>%@`#-]/.test(plain) || plain === "" ? undefined : plain
}

/** Parses the text of a card. */
export const parseBaseCard = (text: string): BaseCard => {
  const front = /^---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)/.exec(text)?.[1] ?? ""
  const lines = front.split(/\r?\n/)
  const textAfter = (key: string): string => {
    const line = lines.find((one) => one.startsWith(`${key}:`))
    return line === undefined ? "" : line.slice(key.length + 1)
  }
  const scalar = (key: string) => scalarOf(textAfter(key))
  /** `en`, `[en, de]`, or a line `- en` for each */
  const list = (key: string): ReadonlyArray<string> | undefined => {
    const inline = textAfter(key).trim()
    const below = lines.slice(1 + lines.findIndex((one) => one.startsWith(`${key}:`)))
    const end = below.findIndex((one) => !/^\s*-\s/.test(one))
    const items = inline.startsWith("[")
      ? inline.replace(/^\[|\].*$/g, "").split(",")
      : inline === ""
        ? below.slice(0, end < 0 ? below.length : end).map((one) => one.replace(/^\s*-/, ""))
        : [inline]
    const values = items.map(scalarOf).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : values
  }
  const card = {
    license: scalar("license"),
    licenseName: scalar("license_name"),
    licenseLink: scalar("license_link"),
    languages: list("language"),
    baseModel: scalar("base_model")
  }
  return Object.fromEntries(Object.entries(card).filter(([, value]) => value !== undefined))
}

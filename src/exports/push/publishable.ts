/**
 * Publishable versions of a run's files. A run folder is private: plan.json has paths of its owner's machine, run.json has texts of their rows.
 * Published files have neither: a path is reduced to its last name, misclassified rows are left out, and the base has its Hub name.
 */

import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { isRecord } from "../../boundary/index.ts"
import { fileName } from "../../output/index.ts"

type Json = Readonly<Record<string, unknown>>

/** Hub name of the base model, owner/name; undefined: it is not on the Hub. */
export type HubName = string | undefined

/** Reduces a path to its last name (for a model.json, that of its folder); names on the Hub are unchanged. */
const named = (place: unknown, hubName?: HubName): unknown => {
  if (typeof place !== "string" || /^hf:/.test(place)) return place
  const [ofFolder] = /[^/\\]+[/\\]model\.json$/.exec(place) ?? []
  return hubName === undefined ? (ofFolder ?? fileName(place)) : `hf:${hubName}`
}

const changed = (value: unknown, keys: Readonly<Record<string, (value: unknown) => unknown>>): unknown =>
  isRecord(value)
    ? Object.fromEntries(
        Object.entries(value).map(([key, inner]) => [key, Object.hasOwn(keys, key) ? keys[key]!(inner) : inner])
      )
    : value

/** Returns a plan.json that trains the same run if its files are in its folder. */
export const publishablePlan = (plan: unknown, base: HubName): unknown =>
  changed(plan, {
    model: (model) => changed(model, { source: (source) => named(source, base) }),
    data: (data) => {
      const place = (value: unknown) => named(value)
      return changed(data, { train: place, validation: place, test: place, folder: place })
    },
    adapter: (adapter) => changed(adapter, { from: (from) => named(from) }),
    output: (output) => changed(output, { directory: (directory) => named(directory) })
  })

/** Returns a publishable run.json. `mistakes`: whether misclassified rows are included. */
export const publishableRecord = (record: Json, base: HubName, mistakes: boolean): Json =>
  changed(record, {
    directory: (directory) => named(directory),
    adapter: () => ".",
    base: (value) => changed(value, { path: (path) => base ?? named(path) }),
    mistakes: (rows) => {
      if (!mistakes || !Array.isArray(rows)) return []
      return rows.map((row) => changed(row, { where: (where) => named(where) }))
    },
    data: (splits) =>
      Array.isArray(splits) ? splits.map((split) => changed(split, { where: (where) => named(where) })) : splits,
    plan: (plan) => publishablePlan(plan, base)
  }) as Json

/** Returns an adapter_config.json that names the base by its Hub name, the only name that PEFT can resolve on another machine. */
export const publishableAdapterConfig = (config: Json, base: HubName): Json => ({
  ...config,
  base_model_name_or_path: base ?? null
})

/** Returns whether a text may be a model's name on the Hub. Old models have no owner. */
const isHubName = (text: string): boolean => /^(?!\.+$)[\w.-]+\/(?!\.+$)[\w.-]+$/.test(text)

/**
 * Returns a model card whose `base_model` is a Hub name, or is removed: the Hub would resolve a path to another model or to none. `writtenBase`: the
 * base as the run wrote it, a path; a different name was edited by hand and is kept. Other lines are unchanged.
 */
export const publishableCard = (card: string, base: HubName, writtenBase: string): string => {
  const [, front, rest] = /^---\r?\n([\s\S]*?)\r?\n---(\r?\n[\s\S]*|)$/.exec(card) ?? []
  if (front === undefined || rest === undefined) return card
  const lines = front.split(/\r?\n/)
  const baseLine = lines.find((line) => /^base_model:/.test(line))
  const text = baseLine === undefined ? "" : unquoted(baseLine.slice("base_model:".length).trim())
  const byHand = text !== writtenBase && isHubName(text) ? text : undefined
  // a list, or a name that is no path, is the user's own
  if (baseLine?.trim() === "base_model:") return card
  const name = base ?? byHand
  const otherLines = lines.filter((line) => !/^(base_model:|# before uploading, name the base)/.test(line))
  const header = name === undefined ? otherLines : [`base_model: ${JSON.stringify(name)}`, ...otherLines]
  return `---\n${header.join("\n")}\n---${rest}`
}

const unquoted = (text: string): string => {
  try {
    return text.startsWith('"') ? String(JSON.parse(text)) : text.replace(/^'(.*)'$/, "$1")
  } catch {
    return text
  }
}

/**
 * Removes folders of this machine from text that the rules above do not cover, such as a message that names one. Paths in the working directory
 * become relative; paths in the home directory begin with `~`.
 */
export const withoutFolders = (text: string, folders: Folders): string =>
  folders.reduce((all, [folder, as]) => {
    const literal = folder.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&")
    // as a whole, and not as a part of an address
    return all.replaceAll(new RegExp(`(?<![\\w.:/-])${literal}(/|(?![\\w.-]))`, "g"), (_, slash) =>
      slash === "" ? as : `${as}/`.replace(/^\.\//, "")
    )
  }, text)

/** Folders and their replacements. */
export type Folders = ReadonlyArray<readonly [folder: string, as: string]>

/** The working directory and home directory with their replacements, the innermost first. */
export const foldersHere: Effect.Effect<Folders, never, Path.Path> = Effect.map(Path.Path, (path) => {
  const home = process.getBuiltinModule("node:os").homedir()
  const folders: Folders = [
    [path.resolve("."), "."],
    [home, "~"]
  ]
  return folders.filter(([folder]) => folder !== path.parse(folder).root).toSorted(([a], [b]) => b.length - a.length)
})

/**
 * Before the first step of a run, its ranks compare everything that determines the results: the plan, versions, the hashes of rows,
 * tokenizer and weights, and the device. The paths of inputs and of the run folder may differ.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { RunPlan } from "../../schemas/index.ts"
import { cut, isRecord, listedLines } from "../boundary/index.ts"
import { Device, type DeviceDescription } from "../device/device.ts"
import { inputsOf, recordOf, versions } from "../output/index.ts"
import { type ResolvedPlan, withInputs } from "../plan/index.ts"
import { fromAll, Ranks } from "../ranks/index.ts"

/** Error of ranks that would compute different results. */
export class RanksDiffer extends Schema.TaggedError<RanksDiffer>()("RanksDiffer", {
  /** differences, one sentence each */
  differences: Schema.Array(Schema.String),
  /** remedies, one sentence each */
  remedies: Schema.Array(Schema.String)
}) {
  override get message() {
    const { differences, remedies } = this
    return [
      "the processes of this run differ in settings that affect its results:",
      listedLines(differences, (line) => `  ${line}`),
      `expected the same on all of them: ${remedies.join("; ")}`
    ].join("\n")
  }
}

/** Description of a rank, for the comparison. */
interface Facts {
  readonly host: string | undefined
  readonly plan: Fields
  readonly versions: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, string | null>>
  readonly device: string
}

/** The values of a plan by their paths, as JSON. */
type Fields = Readonly<Record<string, string>>

const fieldsOf = ({ output: { directory: _, ...output }, ...plan }: RunPlan): Fields => {
  const within = (value: unknown, path: string): ReadonlyArray<readonly [string, string]> =>
    isRecord(value)
      ? Object.entries(value).flatMap(([name, member]) => within(member, path === "" ? name : `${path}.${name}`))
      : [[path, JSON.stringify(value) ?? "null"]]
  // addresses identify remote inputs, hashes identify files
  return Object.fromEntries(
    within(
      withInputs({ ...plan, output }, () => "…"),
      ""
    )
  )
}

const fieldDifferences = (first: Fields, second: Fields): ReadonlyArray<string> => {
  const showField = (value: string | undefined) => (value === undefined ? "left out" : cut(value, 60))
  return [...new Set([...Object.keys(first), ...Object.keys(second)])]
    .filter((name) => first[name] !== second[name])
    .map((name) => `${name} is ${showField(second[name])}, on rank 0 ${showField(first[name])}`)
}

/** Returns the differences of a plan from the first rank's, one clause each. */
export const planDifferences = (first: RunPlan, second: RunPlan): ReadonlyArray<string> =>
  fieldDifferences(fieldsOf(first), fieldsOf(second))

/** Versions that affect the results: adapters are the same in all runtimes. */
const bearing = ["tfjs-lora-pro", "kernels", "tfjs", "effect"]

/** Returns a device as text: "wasm", "native avx2", "webgpu NVIDIA H100". */
const computerOf = ({ backend, instructions, products, adapter }: DeviceDescription): string =>
  [backend, instructions, products, adapter].filter((word) => word !== undefined).join(" ")

const short = (hash: string | null | undefined): string =>
  hash === null || hash === undefined ? "no such file" : `SHA-256 ${hash.slice(0, 12)}…`

/** Returns the differences, by kind. */
const differencesOf = (first: Facts, second: Facts, mixedDevices: boolean) => ({
  plan: fieldDifferences(first.plan, second.plan),
  versions: bearing
    .filter((name) => first.versions[name] !== second.versions[name])
    .map((name) => `${name} is ${second.versions[name]}, on rank 0 ${first.versions[name]}`),
  inputs: [...new Set([...Object.keys(first.inputs), ...Object.keys(second.inputs)])]
    .filter((name) => (first.inputs[name] ?? null) !== (second.inputs[name] ?? null))
    .map((name) => `${name}: ${short(second.inputs[name])}, on rank 0 ${short(first.inputs[name])}`),
  devices:
    mixedDevices || first.device === second.device ? [] : [`it uses ${second.device}, rank 0 uses ${first.device}`]
})

const REMEDIES = {
  plan: "give every process the same plan and the same settings",
  versions: "install the same version on every machine",
  inputs: "give every machine the same files",
  devices:
    "choose a device that all of them have, such as --device wasm, or accept different numbers with --mixed-devices"
} as const

const placeOf = (rank: number, host: string | null | undefined): string =>
  host === undefined || host === null ? `rank ${rank}` : `rank ${rank} (${host})`

/** Fails on every rank if one was started with other options than the first. `differing`: this rank's options, a clause each. */
export const checkAskedAlike = (differing: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { size, host = null } = yield* Ranks
    if (size === 1) return
    const all = (yield* fromAll({ host, differing })) as ReadonlyArray<{
      host: string | null
      differing: ReadonlyArray<string>
    }>
    const differences = all.flatMap(({ host, differing }, rank) =>
      differing.map((text) => `${placeOf(rank, host)}: ${text}`)
    )
    if (differences.length > 0) return yield* new RanksDiffer({ differences, remedies: [REMEDIES.plan] })
  })

/** Fails on every rank if they differ. `mixedDevices`: allows different devices, whose sums differ in the last digits. */
export const checkAlike = (resolved: ResolvedPlan, mixedDevices = false) =>
  Effect.gen(function* () {
    const { size, host } = yield* Ranks
    if (size === 1) return
    const facts: Facts = {
      host,
      plan: fieldsOf(resolved.plan),
      versions: versions(),
      inputs: recordOf(yield* inputsOf(resolved)),
      device: computerOf((yield* Device).describe())
    }
    const [first, ...factsOfOtherRanks] = (yield* fromAll(facts)) as readonly [Facts, ...ReadonlyArray<Facts>]
    const kinds = ["plan", "versions", "inputs", "devices"] as const
    const differencesOfRanks = factsOfOtherRanks.map((ofRank) => differencesOf(first, ofRank, mixedDevices))
    const differences = differencesOfRanks.flatMap((all, i) =>
      kinds.flatMap((kind) => all[kind].map((text) => `${placeOf(i + 1, factsOfOtherRanks[i]!.host)}: ${text}`))
    )
    if (differences.length === 0) return
    const remedies = kinds
      .filter((kind) => differencesOfRanks.some((all) => all[kind].length > 0))
      .map((kind) => REMEDIES[kind])
    return yield* new RanksDiffer({ differences, remedies })
  })

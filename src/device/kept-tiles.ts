/**
 * Stores tile measurements (`tile-plan.ts`) on disk, for Bun, Deno and Node: one file HASH.json per adapter in the folder of `tiles-folder.ts`.
 * HASH covers the runtime and the adapter's description, including its driver. A file that is damaged, or of another version of
 * this package or other programs, is ignored and replaced by the next measurement. Tiles affect time only.
 */
import process from "node:process"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import ownPackage from "../../package.json" with { type: "json" }
import { parseBoundedJson, readTextFile, sha256, writeJson } from "../files/index.ts"
import { PROBED_AREAS, type ProbedTiles, probedPrograms, probeTiles, tileNames } from "../kernels/webgpu/index.ts"
import { denied } from "./deno-permissions.ts"
import { DeviceError } from "./device-error.ts"
import { TILES_VARIABLE, type TileStore, type WantedTile } from "./tile-plan.ts"
import { tilesFolder } from "./tiles-folder.ts"

/** Maximum size in bytes; a file has about 700. */
const MOST_BYTES = 2 ** 16

const Name = Schema.Literals(tileNames)

/** Nanoseconds of a product; at most an hour. */
const Time = Schema.Finite.check(Schema.isBetween({ minimum: 1, maximum: 3.6e12 }))

const Times = Schema.Array(Time).check(Schema.isMinLength(1), Schema.isMaxLength(PROBED_AREAS.length))

const StoredTimes = Schema.Struct({
  package: Schema.String,
  /** SHA-256 of the measured programs */
  programs: Schema.String,
  adapter: Schema.Record(Schema.String, Schema.String),
  times: Schema.Array(Schema.Struct({ tile: Name, nanoseconds: Times })).check(Schema.isMaxLength(tileNames.length)),
  refused: Schema.Array(Name).check(Schema.isMaxLength(tileNames.length))
})

const decode = Schema.decodeUnknownEffect(StoredTimes, { onExcessProperty: "error" })

/** Returns the adapter's description in this runtime. Dawn's includes the driver's version. */
const identityOf = (info: GPUAdapterInfo): Readonly<Record<string, string>> => {
  const { vendor, architecture, device, description, driver = "" } = info as GPUAdapterInfo & { driver?: string }
  const runtime = (["bun", "deno"] as const).find((name) => process.versions[name] !== undefined) ?? "node"
  return { runtime, vendor, architecture, device, description, driver }
}

const hashOf = (text: string): string => sha256().update(text).digest("hex")

const programs = (): string => hashOf(probedPrograms())

const fileOf = (info: GPUAdapterInfo) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const folder = tilesFolder(path)
    if (folder === undefined) return undefined
    return path.join(folder, `${hashOf(JSON.stringify(identityOf(info))).slice(0, 16)}.json`)
  })

const read = (info: GPUAdapterInfo) =>
  Effect.gen(function* () {
    const file = yield* fileOf(info)
    if (file === undefined) return undefined
    const parsed = parseBoundedJson(yield* readTextFile(file, MOST_BYTES))
    if ("problem" in parsed) return undefined
    const { times, refused, ...of } = yield* decode(parsed.value)
    const here = { package: ownPackage.version, programs: programs(), adapter: identityOf(info) }
    if (JSON.stringify(of) !== JSON.stringify(here)) return undefined
    const lengths = new Set(times.map(({ nanoseconds }) => nanoseconds.length))
    if (lengths.size > 1) return undefined
    return { times: Object.fromEntries(times.map(({ tile, nanoseconds }) => [tile, nanoseconds])), refused }
  }).pipe(Effect.orElseSucceed(() => undefined))

const write = (info: GPUAdapterInfo, { times, refused }: ProbedTiles) =>
  Effect.gen(function* () {
    const file = yield* fileOf(info)
    if (file === undefined) return false
    const [fs, path] = [yield* FileSystem.FileSystem, yield* Path.Path]
    yield* fs.makeDirectory(path.dirname(file), { recursive: true })
    const measured = tileNames.flatMap((tile) => {
      const nanoseconds = times[tile]
      return nanoseconds === undefined ? [] : [{ tile, nanoseconds }]
    })
    const of = { package: ownPackage.version, programs: programs(), adapter: identityOf(info) }
    yield* writeJson(file, { ...of, times: measured, refused } satisfies typeof StoredTimes.Type)
    return true
  }).pipe(Effect.orElseSucceed(() => false))

const wanted = (): WantedTile | undefined => {
  const text = denied(["env"]).length === 0 ? (process.env[TILES_VARIABLE] ?? "") : ""
  if (text === "") return undefined
  const tile = (["fixed", ...tileNames] as const).find((name) => name === text)
  if (tile === undefined) {
    const reason = `the variable ${TILES_VARIABLE} is ${JSON.stringify(text)}; expected fixed, or one of ${tileNames.join(", ")}`
    throw new DeviceError({ device: "webgpu", site: "opening", reason, remedy: "without it tiles are measured" })
  }
  return tile
}

const disk = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

/** Storage of measurements in the user's cache folder. */
export const tileStore: TileStore = {
  wanted,
  probe: probeTiles,
  read: (info) => Effect.runPromise(Effect.provide(read(info), disk)),
  write: (info, probed) => Effect.runPromise(Effect.provide(write(info, probed), disk))
}

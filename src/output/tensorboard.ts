/**
 * Event files for TensorBoard: the contents of metrics.jsonl, appended next to it while the run trains.
 *
 *   tensorboard --logdir runs        runs/movies-1/events.out.tfevents.1760000000.tfjs-lora-pro
 *
 * A file is a sequence of records { length, masked CRC of it, an Event, masked CRC of that } (TensorFlow's TFRecord), an Event a protocol buffer of
 * event.proto and summary.proto. A process that resumes a run begins a new file with SessionLog START at the step from which it resumes:
 * TensorBoard then discards this step and later ones.
 */

import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import { isRecord } from "../boundary/index.ts"
import { type FileError, fileError, refuseLink } from "../files/index.ts"

// Protocol buffers: a field is its number and wire type, and the value.

const bytesOf = (...parts: ReadonlyArray<ArrayLike<number>>): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let end = 0
  for (const part of parts) {
    bytes.set(part, end)
    end += part.length
  }
  return bytes
}

const varint = (value: number): ReadonlyArray<number> =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]

const ofNumber = (size: 4 | 8, value: number): Uint8Array => {
  const view = new DataView(new ArrayBuffer(size))
  if (size === 4) view.setFloat32(0, value, true)
  else view.setFloat64(0, value, true)
  return new Uint8Array(view.buffer)
}

const integer = (field: number, value: number) => bytesOf(varint(8 * field), varint(value))
const double = (field: number, value: number) => bytesOf(varint(8 * field + 1), ofNumber(8, value))
const float = (field: number, value: number) => bytesOf(varint(8 * field + 5), ofNumber(4, value))
const message = (field: number, ...parts: ReadonlyArray<Uint8Array>) => {
  const content = bytesOf(...parts)
  return bytesOf(varint(8 * field + 2), varint(content.length), content)
}
const text = (field: number, value: string) => message(field, new TextEncoder().encode(value))

/** An Event: wall_time 1 in seconds, step 2, and what it is. */
const event = (time: number, step: number, content: Uint8Array) =>
  record(bytesOf(double(1, time), integer(2, step), content))

const fileVersion = (time: number) => event(time, 0, text(3, "brain.Event:2"))
const sessionStart = (time: number, step: number) => event(time, step, message(7, integer(1, 1)))

/** Summary 5, of values 1 with tag 1 and simple_value 2. */
const scalars = (time: number, step: number, values: ReadonlyArray<readonly [string, number]>) =>
  event(time, step, message(5, ...values.map(([tag, value]) => message(1, text(1, tag), float(2, value)))))

/** A value with a tensor 8 of one string (dtype 1 STRING, tensor_shape 2, string_val 8), metadata 9 of the text plugin. */
const markdown = (time: number, step: number, tag: string, content: string) => {
  const tensor = message(8, integer(1, 7), message(2, message(2, integer(1, 1))), text(8, content))
  const metadata = message(9, message(1, text(1, "text")), integer(4, 2))
  return event(time, step, message(5, message(1, text(1, tag), tensor, metadata)))
}

const CASTAGNOLI = 0x82f63b78
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CASTAGNOLI : crc >>> 1
  return crc
})

/** Returns the masked CRC-32C of TFRecord: the CRC rotated and offset, so that data may itself contain checksums. */
export const maskedCrc = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

const record = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const framed = new Uint8Array(data.length + 16)
  const view = new DataView(framed.buffer)
  view.setBigUint64(0, BigInt(data.length), true)
  view.setUint32(8, maskedCrc(framed.subarray(0, 8)), true)
  framed.set(data, 12)
  view.setUint32(12 + data.length, maskedCrc(data), true)
  return framed
}

/** A line of metrics.jsonl. */
export interface EventRow {
  readonly kind: string
  readonly step: number
}

type Scalars = ReadonlyArray<readonly [string, number]>

/** Returns the finite numbers of a tree by their paths: "method/discrepancy". */
const numbersIn = (tree: object, prefix: string): Scalars =>
  Object.entries(tree).flatMap(([key, value]: [string, unknown]): Scalars => {
    if (typeof value === "number") return Number.isFinite(value) ? [[`${prefix}/${key}`, value]] : []
    return isRecord(value) ? numbersIn(value, `${prefix}/${key}`) : []
  })

/** Returns the numbers of a row itself, except those in `without`. */
const scalarsOf = (row: EventRow, prefix: string, without: ReadonlyArray<string>): Scalars =>
  numbersIn(
    Object.fromEntries(
      Object.entries(row).filter(([key, value]) => typeof value === "number" && !without.includes(key))
    ),
    prefix
  )

/** Maps a run's rows to tags. The first evaluation sets the row count of a split; evaluations of other counts are separate curves. */
const tagging = () => {
  const firstRows = new Map<string, number>()
  return (row: EventRow): Scalars => {
    const fields = new Map<string, unknown>(Object.entries(row))
    const within = (name: string, prefix: string): Scalars => {
      const part = fields.get(name)
      return isRecord(part) ? numbersIn(part, prefix) : []
    }
    if (row.kind === "step")
      return [...scalarsOf(row, "train", ["step", "rows", "tokens"]), ...within("health", "health")]
    if (row.kind === "diagnostics") return within("mean", "diagnostics")
    const [split, rows] = [String(fields.get("split")), Number(fields.get("rows"))]
    if (!firstRows.has(split)) firstRows.set(split, rows)
    const curve = firstRows.get(split) === rows ? split : `${split} (${rows} rows)`
    return scalarsOf(row, curve, ["step", "rows"])
  }
}

export interface EventsOptions {
  /** the run's folder */
  readonly directory: string
  /** the plan, as written to plan.json */
  readonly plan: unknown
  /** number of steps taken before this process */
  readonly step: number
  /** rows reported before this process */
  readonly history: ReadonlyArray<EventRow>
}

const isEvents = (name: string): boolean => name.includes(".tfevents.")

/** Begins an event file and returns a function that appends a row. */
export const openEvents = ({
  directory,
  plan,
  step,
  history
}: EventsOptions): Effect.Effect<
  (row: EventRow) => Effect.Effect<void, FileError, FileSystem.FileSystem>,
  FileError,
  FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    const before = (yield* fs.readDirectory(directory)).filter(isEvents)
    // TensorBoard reads files in the order of their names, which begin with seconds
    const seconds = before.map((name) => Number(/\.tfevents\.(\d{10})\./.exec(name)?.[1] ?? 0))
    const now = Effect.map(Clock.currentTimeMillis, (time) => time / 1000)
    const opened = yield* now
    const second = Math.max(Math.floor(opened), ...seconds.map((last) => last + 1))
    const file = path.join(directory, `events.out.tfevents.${second}.tfjs-lora-pro`)
    const write = (bytes: Uint8Array) =>
      Effect.andThen(refuseLink(file), fs.writeFile(file, bytes, { flag: "a" })).pipe(
        Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", file)(error)))
      )
    const tagsOf = tagging()
    const ofRow = (time: number, row: EventRow): Uint8Array => {
      const values = tagsOf(row)
      return values.length === 0 ? new Uint8Array() : scalars(time, row.step, values)
    }
    // those of the step itself are forgotten with it; where there is no file yet, all of them are new
    const points = history.map((row) => [row.step, ofRow(opened, row)] as const)
    const again = points.filter(([at]) => before.length === 0 || at >= step).map(([, bytes]) => bytes)
    const indented = JSON.stringify(plan, null, 2).replaceAll(/^/gm, "    ")
    yield* write(
      bytesOf(fileVersion(opened), sessionStart(opened, step), markdown(opened, step, "plan", indented), ...again)
    )
    return (row: EventRow) =>
      Effect.flatMap(now, (time) => {
        const bytes = ofRow(time, row)
        return bytes.length === 0 ? Effect.void : write(bytes)
      })
  }).pipe(Effect.catchTag("PlatformError", (error) => Effect.fail(fileError("write", directory)(error))))

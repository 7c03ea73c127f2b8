/** Reads TensorBoard's event files: an own reader, by the formats' descriptions (tfrecord, event.proto, summary.proto). */
import { readFileSync } from "node:fs"

/** Bit by bit, from the polynomial: CRC-32C of a message is the remainder of its division. */
export const crc32c = (bytes: Uint8Array): number => {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0x82f63b78 & -(crc & 1))
  }
  return (crc ^ -1) >>> 0
}

/** The mask of TFRecord. */
const masked = (crc: number): number => Number((BigInt((crc >>> 15) | (crc << 17)) + 0xa282ead8n) & 0xffffffffn)

type Field = readonly [number, number | Uint8Array]

const varintAt = (bytes: Uint8Array, at: number): readonly [number, number] => {
  let value = 0
  for (let i = at; ; i++) {
    value += (bytes[i]! & 127) * 2 ** (7 * (i - at))
    if (bytes[i]! < 128) return [value, i + 1]
  }
}

/** The fields of a protocol buffer in their order. */
const fieldsOf = (bytes: Uint8Array): ReadonlyArray<Field> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const fields: Array<Field> = []
  let at = 0
  while (at < bytes.length) {
    const [key, start] = varintAt(bytes, at)
    const field = Math.floor(key / 8)
    switch (key % 8) {
      case 0: {
        const [value, end] = varintAt(bytes, start)
        fields.push([field, value])
        at = end
        break
      }
      case 1:
        fields.push([field, view.getFloat64(start, true)])
        at = start + 8
        break
      case 2: {
        const [length, content] = varintAt(bytes, start)
        fields.push([field, bytes.subarray(content, content + length)])
        at = content + length
        break
      }
      case 5:
        fields.push([field, view.getFloat32(start, true)])
        at = start + 4
        break
      default:
        throw new Error(`wire type ${key % 8}`)
    }
  }
  return fields
}

const all = (bytes: Uint8Array, field: number) =>
  fieldsOf(bytes).flatMap(([own, value]) => (own === field ? [value] : []))
const inside = (bytes: Uint8Array, field: number) => all(bytes, field)[0] as Uint8Array
const textIn = (bytes: Uint8Array, field: number) => new TextDecoder().decode(inside(bytes, field))

export interface ReadEvent {
  readonly wallTime: number
  readonly step: number
  readonly fileVersion?: string
  /** SessionLog's status; 1: START */
  readonly session?: number
  readonly scalars: Readonly<Record<string, number>>
  readonly texts: Readonly<Record<string, string>>
}

const eventOf = (bytes: Uint8Array): ReadEvent => {
  const values = all(bytes, 5).flatMap((summary) => all(summary as Uint8Array, 1)) as ReadonlyArray<Uint8Array>
  const scalars = values.filter((value) => all(value, 2).length > 0)
  const texts = values.filter((value) => all(value, 8).length > 0)
  return {
    wallTime: all(bytes, 1)[0] as number,
    step: all(bytes, 2)[0] as number,
    ...(all(bytes, 3).length === 0 ? {} : { fileVersion: textIn(bytes, 3) }),
    ...(all(bytes, 7).length === 0 ? {} : { session: all(inside(bytes, 7), 1)[0] as number }),
    scalars: Object.fromEntries(scalars.map((value) => [textIn(value, 1), all(value, 2)[0] as number])),
    texts: Object.fromEntries(texts.map((value) => [textIn(value, 1), textIn(inside(value, 8), 8)]))
  }
}

/** The events of a file, up to a record that is cut off. Fails where a checksum is not right. */
export const readEvents = (file: string): ReadonlyArray<ReadEvent> => {
  const bytes = new Uint8Array(readFileSync(file))
  const view = new DataView(bytes.buffer)
  const events: Array<ReadEvent> = []
  for (let at = 0; at < bytes.length; ) {
    const length = at + 12 < bytes.length ? Number(view.getBigUint64(at, true)) : bytes.length
    if (at + 16 + length > bytes.length) break
    const data = bytes.subarray(at + 12, at + 12 + length)
    if (view.getUint32(at + 8, true) !== masked(crc32c(bytes.subarray(at, at + 8)))) throw new Error(`length at ${at}`)
    if (view.getUint32(at + 12 + length, true) !== masked(crc32c(data))) throw new Error(`data at ${at}`)
    events.push(eventOf(data))
    at += 16 + length
  }
  return events
}

/** What TensorBoard keeps of some files, read in the order of their names: START forgets its step and those after it. */
export const keptScalars = (
  files: ReadonlyArray<string>
): ReadonlyMap<string, ReadonlyArray<readonly [number, number]>> => {
  let kept: Array<readonly [string, number, number]> = []
  for (const { session, step, scalars } of files.toSorted().flatMap(readEvents)) {
    if (session === 1) kept = kept.filter(([, at]) => at < step)
    kept.push(...Object.entries(scalars).map(([tag, value]) => [tag, step, value] as const))
  }
  const tags = new Map<string, Array<readonly [number, number]>>()
  for (const [tag, step, value] of kept) tags.set(tag, [...(tags.get(tag) ?? []), [step, value]])
  return tags
}

/**
 * The metadata with every string as the file has it. `@huggingface/gguf` 0.4.6 loses two kinds of strings:
 *
 *  - a byte order mark at a string's beginning is dropped (vocabularies made by SentencePiece have a token U+FEFF);
 *  - a string that crosses the end of a range of two million bytes is cut there when it is the last of its list.
 *
 * They show in their lengths: the file states each string's bytes. Only those that differ are decoded again.
 */
import type { GGUFTypedMetadata, MetadataValue as PackagedValue } from "@huggingface/gguf"
import type { Metadata, MetadataValue } from "./gguf-file.ts"

/** bytes of a value by its type's number; strings and lists have none */
const fixedBytes = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8]
const STRING = 8
const LIST = 9
/** "GGUF", version, number of tensors, number of keys */
const PREFIX_BYTES = 24

/** `bytes`: the file up to its list of tensors. */
export const exactStrings = (bytes: Uint8Array<ArrayBuffer>, parsed: GGUFTypedMetadata): Metadata => {
  const cursor = new Cursor(bytes)
  const metadata = new Map<string, MetadataValue>()
  // the order of a record's keys is that of the file
  for (const [key, { value, type }] of Object.entries(parsed).slice(3)) {
    const exactKey = cursor.string(key)
    cursor.skip(4)
    metadata.set(exactKey, cursor.value(value!, type))
  }
  return metadata
}

/** Walks the bytes beside the values that were parsed from them. */
class Cursor {
  private place = PREFIX_BYTES
  private readonly view: DataView
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  private readonly bytes: Uint8Array<ArrayBuffer>

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  skip(count: number): void {
    this.place += count
  }

  string(parsed: string): string {
    const begin = this.place + 8
    this.place = begin + Number(this.view.getBigUint64(this.place, true))
    const asStored = utf8Length(parsed) === this.place - begin && !parsed.includes("\uFFFD")
    return asStored ? parsed : this.decoder.decode(this.bytes.subarray(begin, this.place))
  }

  value(parsed: PackagedValue, type: number): MetadataValue {
    if (type === STRING) return this.string(parsed as string)
    if (type === LIST) {
      const itemType = this.view.getUint32(this.place, true)
      this.skip(12)
      return (parsed as ReadonlyArray<PackagedValue>).map((item) => this.value(item, itemType))
    }
    this.skip(fixedBytes[type]!)
    return typeof parsed === "bigint" ? Number(parsed) : (parsed as MetadataValue)
  }
}

const utf8Length = (text: string): number => {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // each half of a surrogate pair stands for two of its four bytes
    length += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3
  }
  return length
}

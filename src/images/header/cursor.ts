import { CutShort } from "../refused.ts"

/** Reads numbers at any position of a byte array. Throws CutShort for a position after its end. */
export class Cursor {
  readonly length: number
  private readonly view: DataView
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.length = bytes.length
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  private checked(at: number, bytes: number): number {
    if (at < 0 || at + bytes > this.length) throw new CutShort()
    return at
  }

  u8(at: number): number {
    return this.view.getUint8(this.checked(at, 1))
  }

  u16(at: number, little = false): number {
    return this.view.getUint16(this.checked(at, 2), little)
  }

  u24(at: number): number {
    return this.u16(at, true) | (this.u8(at + 2) << 16)
  }

  u32(at: number, little = false): number {
    return this.view.getUint32(this.checked(at, 4), little)
  }

  /** Reads Latin-1 text. */
  text(at: number, bytes: number): string {
    this.checked(at, bytes)
    return String.fromCharCode(...this.bytes.subarray(at, at + bytes))
  }

  part(at: number, bytes: number): Cursor {
    this.checked(at, bytes)
    return new Cursor(this.bytes.subarray(at, at + bytes))
  }
}

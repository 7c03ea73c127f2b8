/** Serialization of values between ranks: to bytes, which each rank decodes to the same value. */

export interface Message<A> {
  readonly write: (value: A) => Uint8Array
  readonly read: (bytes: Uint8Array) => A
}

/** Floating-point values, bit for bit. */
export const floats: Message<Float32Array> = {
  write: ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  read: (bytes) => {
    // a copy where they do not lie as numbers do: they arrive in the middle of others
    const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
    return new Float32Array(buffer, byteOffset, byteLength / 4)
  }
}

/** Values that survive a JSON round trip. */
export const json = <A>(): Message<A> => ({
  write: (value) => new TextEncoder().encode(JSON.stringify(value)),
  read: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as A
})

const LENGTH = 4

/** A pair of values: the length of the first, uint32 little-endian, and the bytes of each. */
export const both = <A, B>(first: Message<A>, second: Message<B>): Message<readonly [A, B]> => ({
  write: ([a, b]) => {
    const [head, rest] = [first.write(a), second.write(b)]
    const bytes = new Uint8Array(LENGTH + head.length + rest.length)
    new DataView(bytes.buffer).setUint32(0, head.length, true)
    bytes.set(head, LENGTH)
    bytes.set(rest, LENGTH + head.length)
    return bytes
  },
  read: (bytes) => {
    const end = LENGTH + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
    return [first.read(bytes.subarray(LENGTH, end)), second.read(bytes.subarray(end))]
  }
})

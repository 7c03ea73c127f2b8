/** Calls C functions of every kind of signature through this runtime's interface; what they did, as JSON. */
import { foreign, openSystemLibrary, type Pointer } from "../../../src/ffi/index.ts"

const runtime = foreign()
if ("reason" in runtime) throw new Error(`${runtime.reason}; ${runtime.remedy}`)
const { name, open, pointer, pointerTo, addressOf, text, view, callback } = runtime

const { qsort, memchr, memset, getenv, abs } = openSystemLibrary(runtime, {
  qsort: { parameters: ["pointer", "u64", "u64", "pointer"], result: "void" },
  memchr: { parameters: ["pointer", "i32", "u64"], result: "pointer" },
  memset: { parameters: ["pointer", "i32", "u64"], result: "pointer" },
  getenv: { parameters: ["pointer"], result: "pointer" },
  abs: { parameters: ["i32"], result: "i32" }
})

const utf8 = (value: string) => new TextEncoder().encode(`${value}\0`)

/** The C library's sort of whole numbers, which asks JavaScript which of two is the smaller. */
const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const numbers = Int32Array.from(values)
  const at = (place: Pointer) => new Int32Array(view(place, 4))[0]!
  const compare = callback({ parameters: ["pointer", "pointer"], result: "i32" }, (a, b) => at(a) - at(b))
  qsort(pointerTo(new Uint8Array(numbers.buffer)), BigInt(numbers.length), 4, compare.pointer)
  compare.close()
  return [...numbers]
}

/** Distance of two pointers into the same bytes, and the same by way of a machine address. */
const word = utf8("low-rank")
const dash = memchr(pointerTo(word), "-".charCodeAt(0), word.length)
const again = pointer(addressOf(dash) + 1)

const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true })
memset(pointerTo(new Uint8Array(shared.buffer, 1024)), 7, 3)

const reason = (): string => {
  try {
    open("/no/such/library.so", { abs: { parameters: ["i32"], result: "i32" } })
    return "opened"
  } catch (cause) {
    return String(cause)
  }
}

console.log(
  JSON.stringify({
    name: name.split(" ")[0],
    abs: abs(-7),
    sorted: sorted([3, -1, 2_000_000_000, 0]),
    offset: addressOf(dash) - addressOf(pointerTo(word)),
    rest: text(again),
    none: memchr(pointerTo(word), "z".charCodeAt(0), word.length),
    variable: getenv(pointerTo(utf8("NO_SUCH_VARIABLE_HERE"))),
    shared: [...new Uint8Array(shared.buffer, 1023, 5)],
    failed: reason().includes("library.so")
  })
)

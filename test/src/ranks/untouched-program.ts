/** Opens the MPI library of the first argument and initializes it; which functions of the C library it has patched, as JSON. */
import { foreign } from "../../../src/ffi/index.ts"
import { openLibrary } from "../../../src/ranks/mpi/library.ts"
import { openSystem } from "../../../src/ranks/mpi/system.ts"

const runtime = foreign()
if ("reason" in runtime) throw new Error(runtime.reason)
const { global } = openSystem(runtime).load("libc.so.6", false)
const names = ["mmap", "munmap", "mremap", "madvise", "brk", "sbrk", "malloc", "free"]
const code = () => names.map((name) => new Uint8Array(runtime.view(global(name), 16)).join())

const before = code()
const library = openLibrary(process.argv[2] === "mpich" ? "mpich" : "openmpi")
if ("reason" in library) throw new Error(library.reason)
library.call.MPI_Init(null, null)
const after = code()
library.call.MPI_Finalize()
console.log(JSON.stringify({ version: library.version, patched: names.filter((_, i) => before[i] !== after[i]) }))

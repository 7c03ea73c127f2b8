/** What is said of an adapted model (fitted-network.ts) on wasm and on a GPU; fit-evaluate.processes.ts on cpu, which takes seconds. */
import { describeOn } from "../../backends.ts"
import { fittedNetwork } from "./fitted-network.ts"

for (const backend of ["wasm", "webgpu"] as const) describeOn(backend, fittedNetwork)

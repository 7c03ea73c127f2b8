/** What is said of an adapted model (fitted-network.ts) on cpu; fit-evaluate.test.ts on wasm and on a GPU. */
import { describeOn } from "../../backends.ts"
import { fittedNetwork } from "./fitted-network.ts"

describeOn("cpu", fittedNetwork)

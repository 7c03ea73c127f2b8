/** The laws of a `tf.LayersModel` as a base (layers-model-laws.ts) on wasm; layers-model.laws.processes.ts on cpu. */
import { describeOn } from "../backends.ts"
import { layersLaws } from "./layers-model-laws.ts"

describeOn("wasm", layersLaws)

/** The laws of a `tf.LayersModel` as a base (layers-model-laws.ts) on cpu; layers-model.laws.test.ts on wasm. */
import { describeOn } from "../backends.ts"
import { layersLaws } from "./layers-model-laws.ts"

describeOn("cpu", layersLaws)

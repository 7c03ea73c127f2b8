/** Adapters that have been trained: restored, combined, or trained earlier. Their loss may well stay constant. */
import type { Adapted } from "../../adapters/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"

export const learned = new WeakSet<Adapted<LayersNetwork>>()

/** Adapters that have learned something: restored, combined, or trained before. Their loss may well stay where it is. */
import type { Adapted } from "../../adapters/index.ts"
import type { LayersNetwork } from "../models/layers-model/index.ts"

export const learned = new WeakSet<Adapted<LayersNetwork>>()

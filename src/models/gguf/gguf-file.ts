/** What is known of a GGUF file before a tensor is read. */
import { ModelError } from "../model-error.ts"
import type { BlockType } from "./block-type.ts"

/** Numbers are numbers here, 64-bit ones too (beyond 2⁵³ rounded: seeds and checksums are, sizes are not). */
export type MetadataValue = string | number | boolean | ReadonlyArray<MetadataValue>
export type Metadata = ReadonlyMap<string, MetadataValue>

export interface GgufTensor {
  readonly name: string
  /** row-major */
  readonly shape: ReadonlyArray<number>
  readonly type: BlockType
  /** the part it lies in, of a split model */
  readonly file: string
  /** bytes from the start of the file */
  readonly begin: number
  readonly end: number
}

export interface GgufHeader {
  /** of a split model the part that was named */
  readonly file: string
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** A tensor as the header announces it. */
export interface AnnouncedTensor {
  readonly name: string
  /** fastest dimension first */
  readonly dimensions: ReadonlyArray<number>
  readonly type: number
  /** bytes from the start of the tensors */
  readonly offset: number
}

export const problem = (file: string, ...problems: ReadonlyArray<string>) => new ModelError({ folder: file, problems })

/** Maps the files of a model, for devices whose kernels read weights there (`../kernels/mapped-matrix.ts`). Loaded when a model asks for it. */
import * as tf from "@tensorflow/tfjs-core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { messageOf } from "../boundary/index.ts"
import { bytesOfFileRow, fileMapper, mappedMatrix } from "../kernels/index.ts"
import type { PackedMatrix } from "../tensors/index.ts"
import type { MoveRows } from "./gguf/architecture.ts"
import { ModelError } from "./model.ts"

/** A matrix as its file has it. */
export interface StoredMatrix {
  readonly file: string
  /** byte at which it begins */
  readonly begin: number
  /** name of its type in safetensors or ggml */
  readonly type: string
  readonly shape: ReadonlyArray<number>
  /** for a matrix whose rows are in another order in the file */
  readonly rows?: MoveRows | undefined
}

/** A matrix in its mapped file. */
export interface MappedWeight {
  readonly matrix: PackedMatrix
  /** Gives the file back. */
  readonly release: () => void
}

interface Mapping {
  readonly address: number
  readonly unmap: () => void
  users: number
}

/** Files in use, by path and identity: a file that was replaced is another one. */
const mappings = new Map<string, Mapping>()

/** Returns a matrix in its mapped file, or null if the device's kernels do not read it there. */
export const mappedWeight = ({
  file,
  begin,
  type,
  shape,
  rows
}: StoredMatrix): Effect.Effect<MappedWeight | null, ModelError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const mapFile = fileMapper()
    const [out, columns] = shape as readonly [number, number]
    const rowBytes = shape.length === 2 ? bytesOfFileRow(type, columns, begin) : undefined
    if (mapFile === undefined || rowBytes === undefined) return null
    const fs = yield* FileSystem.FileSystem
    const problem = (cause: unknown) =>
      new ModelError({ folder: file, problems: [`cannot be mapped into memory: ${messageOf(cause)}`] })
    const { size, ino, mtime } = yield* fs.stat(file).pipe(Effect.mapError(problem))
    // files in memory have no inode, and the system knows nothing of them
    if (Option.isNone(ino)) return null
    const end = begin + out * rowBytes
    if (end > size) {
      const problem = `became shorter since its header was read: its weights go up to byte ${end}, and it has ${size}`
      return yield* new ModelError({ folder: file, problems: [problem] })
    }
    const changed = Option.match(mtime, { onNone: () => 0, onSome: (date) => date.getTime() })
    const key = `${ino.value} ${size} ${changed} ${file}`
    const mapping = mappings.get(key) ?? {
      ...(yield* Effect.try({ try: () => mapFile(file, Number(size)), catch: problem })),
      users: 0
    }
    mappings.set(key, mapping)
    mapping.users++
    const order = rows?.(
      Int32Array.from({ length: out }, (_, row) => row),
      1
    )
    const matrix = mappedMatrix(type, mapping.address + begin, [out, columns], order)
    tf.keep(matrix.words)
    return {
      matrix,
      release: () => {
        if (--mapping.users > 0) return
        mappings.delete(key)
        mapping.unmap()
      }
    }
  })

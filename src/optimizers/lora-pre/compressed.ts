/** Selects the moments that LoRA-Pre stores as products of two thin matrices, and computes their size; equations in `lora-pre.ts`. */

/** Returns whether a tensor is a matrix whose thin factors are smaller than itself. */
export const isCompressed = (rank: number, [rows, columns, ...others]: ReadonlyArray<number>): boolean =>
  rows !== undefined && columns !== undefined && others.length === 0 && rank * (rows + columns) < rows * columns

/** Returns the number of values for the moments of a matrix. */
export const matrixState = (rank: number, rows: number, columns: number): number =>
  isCompressed(rank, [rows, columns]) ? 2 * rank * (rows + columns) : 2 * rows * columns

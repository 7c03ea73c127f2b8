/** Which moments LoRA-Pre keeps as products of two thin matrices, and what they take: `lora-pre.ts` has the equations. */

/** Is it a matrix that two thin ones are smaller than? */
export const isCompressed = (rank: number, [rows, columns, ...others]: ReadonlyArray<number>): boolean =>
  rows !== undefined && columns !== undefined && others.length === 0 && rank * (rows + columns) < rows * columns

/** Numbers for the moments of a matrix. */
export const matrixState = (rank: number, rows: number, columns: number): number =>
  isCompressed(rank, [rows, columns]) ? 2 * rank * (rows + columns) : 2 * rows * columns

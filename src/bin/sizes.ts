/** Files and their sizes, as lines of a result. */

const sizeOf = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`

export const sizeLines = (
  files: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
): ReadonlyArray<string> => {
  const width = Math.max(...files.map(({ name }) => name.length))
  return files.map(({ name, bytes }) => `  ${name.padEnd(width)}  ${sizeOf(bytes)}`)
}

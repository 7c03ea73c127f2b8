/** Names of the parts of a split GGUF file. */
const partName = /^(?<name>.*)-(?<number>\d{5})-of-(?<count>\d{5})\.gguf$/s

/** Returns the files of all parts in order, from the name of one, or undefined if the name is not that of a part. */
export const partFiles = (file: string): ReadonlyArray<string> | undefined => {
  const { name, number, count } = (partName.exec(file)?.groups ?? {}) as { readonly [group: string]: string }
  if (count === undefined || Number(number) < 1 || Number(number) > Number(count)) return undefined
  const digits = (part: number) => `${part}`.padStart(5, "0")
  return Array.from({ length: Number(count) }, (_, i) => `${name}-${digits(i + 1)}-of-${count}.gguf`)
}

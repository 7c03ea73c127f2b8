/** The name under which a file is written before it takes its place: the process's own, so that two of them do not meet. */
export const temporaryName = (file: string): string => {
  const { process } = globalThis as { readonly process?: NodeJS.Process }
  return `${file}.tmp-${process?.pid ?? "page"}` // a page's files are its own memory
}

/**
 * The part of the File System standard that is used: the folders of a page's own store (OPFS), and folders in memory. Its types in
 * TypeScript's library are those of a page, which has no `createSyncAccessHandle`, and lack `move`.
 *
 * @see https://fs.spec.whatwg.org
 */

/** What a worker alone has: an open file that is read and written at once. Nobody else opens it meanwhile. */
export interface Access {
  write(bytes: Uint8Array, options: { readonly at: number }): number
  truncate(size: number): void
  getSize(): number
  flush(): void
  close(): void
}

export interface StoredFile {
  readonly kind: "file"
  getFile(): Promise<File>
  createSyncAccessHandle(): Promise<Access>
  /** Replaces what has this name there. */
  move?(folder: StoredFolder, name: string): Promise<void>
}

export interface StoredFolder {
  readonly kind: "directory"
  getDirectoryHandle(name: string, options?: { readonly create?: boolean }): Promise<StoredFolder>
  getFileHandle(name: string, options?: { readonly create?: boolean }): Promise<StoredFile>
  removeEntry(name: string, options?: { readonly recursive?: boolean }): Promise<void>
  entries(): AsyncIterable<readonly [name: string, entry: StoredFile | StoredFolder]>
}

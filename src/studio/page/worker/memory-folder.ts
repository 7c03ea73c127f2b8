/** A folder in memory, as OPFS would be one: for a private window, which has none. */
import type { Access, StoredFile, StoredFolder } from "./stored-files.ts"

const refused = (name: string, message: string) => new DOMException(message, name)

class MemoryFile implements StoredFile {
  readonly kind = "file"
  private bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  private size = 0
  private changed = Date.now()
  private isOpen = false
  /** takes it out of its folder */
  leave: () => void = () => {}

  async getFile() {
    return new File([this.bytes.subarray(0, this.size)], "", { lastModified: this.changed })
  }

  async createSyncAccessHandle(): Promise<Access> {
    if (this.isOpen) throw refused("NoModificationAllowedError", "the file is already open")
    this.isOpen = true
    return {
      write: (bytes, { at }) => {
        this.resize(Math.max(this.size, at + bytes.length))
        this.bytes.set(bytes, at)
        return bytes.length
      },
      truncate: (size) => this.resize(size),
      getSize: () => this.size,
      flush: () => {},
      close: () => {
        this.isOpen = false
      }
    }
  }

  async move(folder: StoredFolder, name: string) {
    if (this.isOpen) throw refused("NoModificationAllowedError", "the file is open")
    this.leave()
    if (folder instanceof MemoryFolder) folder.adopt(name, this)
  }

  private resize(size: number): void {
    if (size > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(size, 2 * this.size))
      bytes.set(this.bytes.subarray(0, this.size))
      this.bytes = bytes
    }
    if (size < this.size) this.bytes.fill(0, size, this.size)
    this.size = size
    this.changed = Date.now()
  }
}

export class MemoryFolder implements StoredFolder {
  readonly kind = "directory"
  private readonly inside = new Map<string, MemoryFile | MemoryFolder>()

  private entryOf<Kind extends "file" | "directory">(
    name: string,
    kind: Kind
  ): Extract<MemoryFile | MemoryFolder, { kind: Kind }> | undefined {
    const entry = this.inside.get(name)
    if (entry !== undefined && entry.kind !== kind)
      throw refused("TypeMismatchError", "expected the other kind of entry")
    return entry as Extract<MemoryFile | MemoryFolder, { kind: Kind }> | undefined
  }

  async getDirectoryHandle(name: string, { create = false } = {}) {
    const there = this.entryOf(name, "directory")
    if (there !== undefined) return there
    if (!create) throw refused("NotFoundError", "not found")
    const folder = new MemoryFolder()
    this.inside.set(name, folder)
    return folder
  }

  async getFileHandle(name: string, { create = false } = {}) {
    const there = this.entryOf(name, "file")
    if (there !== undefined) return there
    if (!create) throw refused("NotFoundError", "not found")
    const file = new MemoryFile()
    this.adopt(name, file)
    return file
  }

  async removeEntry(name: string, { recursive = false } = {}) {
    const entry = this.inside.get(name)
    if (entry === undefined) throw refused("NotFoundError", "not found")
    if (entry instanceof MemoryFolder && entry.inside.size > 0 && !recursive)
      throw refused("InvalidModificationError", "the folder is not empty")
    this.inside.delete(name)
  }

  async *entries() {
    yield* [...this.inside]
  }

  adopt(name: string, file: MemoryFile): void {
    file.leave = () => void this.inside.delete(name)
    this.inside.set(name, file)
  }
}

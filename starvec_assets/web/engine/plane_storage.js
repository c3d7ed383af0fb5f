// Storage of the planes on this device: the origin private file system, which reads straight into the kernel's memory,
// or IndexedDB where that is missing. One folder for each address of a page, with the planes of one model.

/**
 * @typedef {() => Uint8Array<ArrayBuffer>} GetBuffer returns the memory of a plane; called right before the bytes are
 *   copied, because WebAssembly memory moves when a search makes it grow
 *
 * @typedef {object} PlaneStorage
 * @property {(name: string, size: number) => Promise<boolean>} has whether a plane of `size` bytes is there, whole
 * @property {(name: string, getBuffer: GetBuffer) => Promise<number>} read as many bytes as there are, from the first one
 *   on; returns their number, 0 for more than the plane has
 * @property {(name: string, getBuffer: GetBuffer, start: number, end: number) => Promise<void>} write the bytes from `start`
 *   to `end`, those before which were written already. A plane is whole when it has its size and its hash
 * @property {(name: string) => Promise<void>} remove
 * @property {(keep: string[]) => Promise<void>} prune remove all planes but these
 */

/**
 * Open the storage of the page whose data is at `base`; null where the browser stores nothing.
 * @param {URL} base
 * @returns {Promise<PlaneStorage | null>}
 */
export async function openStorage(base) {
  const scope = encodeURIComponent(base.pathname).slice(-200);
  for (const open of [openFileStorage, openDatabaseStorage]) {
    try {
      return await open(scope);
    } catch {
      // Missing, or refused as in a private window: try the next. Without storage each visit downloads the planes.
    }
  }
  return null;
}

/**
 * @param {string} scope
 * @returns {Promise<PlaneStorage>}
 */
async function openFileStorage(scope) {
  const root = await navigator.storage.getDirectory();
  const parent = await root.getDirectoryHandle("starvec", { create: true });
  const folder = await parent.getDirectoryHandle(scope, { create: true });
  if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype)) throw new Error("no synchronous access");
  return {
    has: async (name, size) => (await (await folder.getFileHandle(name)).getFile()).size === size,
    async read(name, getBuffer) {
      const file = await folder.getFileHandle(name);
      let handle;
      try {
        handle = await accessTo(file);
      } catch {
        return copyInto(getBuffer(), await (await file.getFile()).arrayBuffer()); // open in another tab
      }
      try {
        const [bytes, size] = [getBuffer(), handle.getSize()];
        return size > bytes.length ? 0 : handle.read(bytes.subarray(0, size), { at: 0 });
      } finally {
        handle.close();
      }
    },
    async write(name, getBuffer, start, end) {
      // A file has one writer at a time: tabs that download the same plane take turns.
      await navigator.locks.request(`starvec ${scope} ${name}`, async () => {
        const handle = await accessTo(await folder.getFileHandle(name, { create: true }));
        try {
          if (handle.getSize() < start) throw new Error("removed by another tab");
          const bytes = getBuffer().subarray(start, end);
          if (handle.write(bytes, { at: start }) !== bytes.length) {
            handle.truncate(start);
            throw new Error("no room");
          }
          handle.flush();
        } finally {
          handle.close();
        }
      });
    },
    remove: (name) => folder.removeEntry(name),
    async prune(keep) {
      for await (const name of folder.keys()) {
        if (!keep.includes(name)) await folder.removeEntry(name).catch(() => {}); // open in another tab
      }
    },
  };
}

/** Files that are being opened. @type {Set<FileSystemFileHandle>} */
const opening = new Set();

/**
 * Open a file. Its handle is held until then: Chromium (156, November 2026) never answers where it was collected meanwhile.
 * @param {FileSystemFileHandle} file
 */
async function accessTo(file) {
  opening.add(file);
  try {
    return await file.createSyncAccessHandle();
  } finally {
    opening.delete(file);
  }
}

/**
 * @param {string} scope
 * @returns {Promise<PlaneStorage>}
 */
async function openDatabaseStorage(scope) {
  /** @type {IDBDatabase} */
  const db = await new Promise((resolve, reject) => {
    const request = indexedDB.open(`starvec ${scope}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("planes");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(planes: IDBObjectStore) => IDBRequest<T>} start
   * @returns {Promise<T>}
   */
  const transact = (mode, start) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction("planes", mode);
      const request = start(transaction.objectStore("planes"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  return {
    has: async (name) => (await transact("readonly", (planes) => planes.count(name))) > 0, // only whole ones are
    async read(name, getBuffer) {
      const bytes = await transact("readonly", (planes) => planes.get(name));
      return bytes instanceof ArrayBuffer ? copyInto(getBuffer(), bytes) : 0;
    },
    async write(name, getBuffer, _start, end) {
      // A value is written whole or not at all: a download that was not finished is not kept here.
      if (end === getBuffer().length)
        await transact("readwrite", (planes) => planes.put(getBuffer().slice().buffer, name));
    },
    remove: (name) => transact("readwrite", (planes) => planes.delete(name)),
    async prune(keep) {
      for (const name of await transact("readonly", (planes) => planes.getAllKeys())) {
        if (!keep.includes(String(name))) await transact("readwrite", (planes) => planes.delete(name));
      }
    },
  };
}

/**
 * Copy `source` to the beginning of `target` if it has room for it, and return the number of bytes copied.
 * @param {Uint8Array} target
 * @param {ArrayBuffer} source
 */
function copyInto(target, source) {
  if (source.byteLength > target.length) return 0;
  target.set(new Uint8Array(source));
  return source.byteLength;
}

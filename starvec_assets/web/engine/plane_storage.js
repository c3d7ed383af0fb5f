// Storage of the planes on this device: the origin private file system, which reads straight into the kernel's memory,
// or IndexedDB where that is missing. One folder for each address of a page, with the planes of one model.

/**
 * @typedef {() => Uint8Array<ArrayBuffer>} GetBuffer returns the memory of a plane; called right before the bytes are
 *   copied, because WebAssembly memory moves when a search makes it grow
 *
 * @typedef {object} PlaneStorage
 * @property {(name: string) => Promise<boolean>} has
 * @property {(name: string, getBuffer: GetBuffer) => Promise<boolean>} read false if it is missing or incomplete
 * @property {(name: string, getBuffer: GetBuffer) => Promise<void>} write
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
    has: (name) =>
      folder.getFileHandle(name).then(
        () => true,
        () => false,
      ),
    async read(name, getBuffer) {
      const file = await folder.getFileHandle(name);
      let handle;
      try {
        handle = await file.createSyncAccessHandle();
      } catch {
        return copyInto(getBuffer(), await (await file.getFile()).arrayBuffer()); // open in another tab
      }
      try {
        const bytes = getBuffer();
        return handle.getSize() === bytes.length && handle.read(bytes, { at: 0 }) === bytes.length;
      } finally {
        handle.close();
      }
    },
    async write(name, getBuffer) {
      // A file has one writer at a time: tabs that downloaded the same plane take turns.
      await navigator.locks.request(`starvec ${scope} ${name}`, async () => {
        const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
        try {
          handle.truncate(0);
          const bytes = getBuffer();
          if (handle.write(bytes, { at: 0 }) !== bytes.length) {
            handle.truncate(0);
            throw new Error("no room");
          }
          handle.flush();
        } finally {
          handle.close();
        }
      });
    },
    async prune(keep) {
      for await (const name of folder.keys()) {
        if (!keep.includes(name)) await folder.removeEntry(name).catch(() => {}); // open in another tab
      }
    },
  };
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
    has: async (name) => (await transact("readonly", (planes) => planes.count(name))) > 0,
    async read(name, getBuffer) {
      const bytes = await transact("readonly", (planes) => planes.get(name));
      return bytes instanceof ArrayBuffer && copyInto(getBuffer(), bytes);
    },
    async write(name, getBuffer) {
      await transact("readwrite", (planes) => planes.put(getBuffer().slice().buffer, name));
    },
    async prune(keep) {
      for (const name of await transact("readonly", (planes) => planes.getAllKeys())) {
        if (!keep.includes(String(name))) await transact("readwrite", (planes) => planes.delete(name));
      }
    },
  };
}

/**
 * Copy `source` into `target` if it has the same length, and return whether it has.
 * @param {Uint8Array} target
 * @param {ArrayBuffer} source
 */
function copyInto(target, source) {
  if (source.byteLength !== target.length) return false;
  target.set(new Uint8Array(source));
  return true;
}

// @ts-check
/**
 * Planes kept on this device: in the origin private file system, which reads straight into the search's memory, or in
 * IndexedDB where that is missing. One folder a published page, one model at a time.
 */

/**
 * @typedef {() => Uint8Array<ArrayBuffer>} Place asked when the bytes are moved: the memory that a place lies in is
 *   another one after a search has let it grow
 * @typedef {object} Shelf
 * @property {(name: string, into: Place) => Promise<boolean>} read false when it is not there whole
 * @property {(name: string, from: Place) => Promise<void>} write
 * @property {(keep: string[]) => Promise<void>} prune removes everything else
 */

/**
 * The shelf of the page whose data lies at `base`; null where the browser keeps nothing.
 * @param {URL} base
 * @returns {Promise<Shelf | null>}
 */
export async function shelf(base) {
  const scope = encodeURIComponent(base.pathname).slice(-200);
  for (const open of [files, database]) {
    try {
      return await open(scope);
    } catch {
      // Missing, or refused as in a private window: the next one, or none, which costs a download a visit.
    }
  }
  return null;
}

/** @param {string} scope @returns {Promise<Shelf>} */
async function files(scope) {
  const root = await navigator.storage.getDirectory();
  const folder = await (await root.getDirectoryHandle("starvec", { create: true })).getDirectoryHandle(scope, { create: true });
  if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype)) throw new Error("no synchronous access");
  return {
    async read(name, into) {
      const file = await folder.getFileHandle(name);
      let handle;
      try {
        handle = await file.createSyncAccessHandle();
      } catch {
        return copied(await (await file.getFile()).arrayBuffer(), into()); // another tab is reading it
      }
      try {
        const bytes = into();
        return handle.getSize() === bytes.length && handle.read(bytes, { at: 0 }) === bytes.length;
      } finally {
        handle.close();
      }
    },
    async write(name, from) {
      // A file is written by one at a time: tabs that fetched at once take turns.
      await navigator.locks.request(`starvec ${scope} ${name}`, async () => {
        const handle = await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle();
        try {
          handle.truncate(0);
          const bytes = from();
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
        if (!keep.includes(name)) await folder.removeEntry(name).catch(() => {}); // held open by another tab
      }
    },
  };
}

/** @param {string} scope @returns {Promise<Shelf>} */
async function database(scope) {
  /** @type {IDBDatabase} */
  const db = await new Promise((resolve, reject) => {
    const opening = indexedDB.open(`starvec ${scope}`, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("planes");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
  /**
   * @template T
   * @param {IDBTransactionMode} mode
   * @param {(planes: IDBObjectStore) => IDBRequest<T>} request
   * @returns {Promise<T>}
   */
  const run = (mode, request) =>
    new Promise((resolve, reject) => {
      const transaction = db.transaction("planes", mode);
      const asked = request(transaction.objectStore("planes"));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  return {
    async read(name, into) {
      const kept = await run("readonly", (planes) => planes.get(name));
      return kept instanceof ArrayBuffer && copied(kept, into());
    },
    async write(name, from) {
      await run("readwrite", (planes) => planes.put(from().slice().buffer, name));
    },
    async prune(keep) {
      for (const name of await run("readonly", (planes) => planes.getAllKeys())) {
        if (!keep.includes(String(name))) await run("readwrite", (planes) => planes.delete(name));
      }
    },
  };
}

/** @param {ArrayBuffer} bytes @param {Uint8Array} into */
function copied(bytes, into) {
  if (bytes.byteLength !== into.length) return false;
  into.set(new Uint8Array(bytes));
  return true;
}

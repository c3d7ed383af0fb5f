// What this release was built with: filled in by export/release.py. A page that is served as it lies in the sources has
// no release, and checks nothing by it.

/** SHA-256 of data/model.json in hexadecimal. @type {string} */
export const MODEL_SHA256 = "";

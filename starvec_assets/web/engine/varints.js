// Varints (LEB128), as starvec_assets/export/text_index_file.py writes them.

/** Reads numbers below 2^28 of seven bits a byte, the lowest first; the last byte of each is below 128. */
export class Varints {
  /**
   * @param {Uint8Array} bytes
   * @param {number} at where to begin
   */
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  next() {
    const { bytes } = this;
    let byte = bytes[this.at++];
    let number = byte & 127;
    for (let shift = 7; byte > 127 && shift < 28; shift += 7) {
      byte = bytes[this.at++];
      number |= (byte & 127) << shift;
    }
    return number;
  }
}
